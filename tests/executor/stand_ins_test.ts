// contract: whatever stands for a value among arguments, the call is that with the value itself
import { assert, assertEquals } from "@std/assert";
import { cacheScope, createMemoryCache, D, Executor, share } from "@quiver/quiver";
import fc from "fast-check";
import { withInstances } from "../value/arbitrary_value.ts";
import { sameValue } from "../value/same_value.ts";
import { leaveNothing } from "../leave_nothing.ts";
import { echo } from "./testdata/instance_tasks.ts";

leaveNothing();

/** What is as it was after it was shared and stored: one of the platform's may be no data to share. */
const VALUES = withInstances.filter((value) =>
  !/SharedArrayBuffer|DOMException/.test(Deno.inspect(value, { depth: 20 }))
);

Deno.test("a call is the same with a shared value, a future, a promise, D() and a shelved result", async () => {
  const cache = createMemoryCache();
  await using executor = new Executor({ workerType: "inline", maxWorkers: 2 });
  const stands: { readonly [name: string]: (value: unknown, digest: string) => unknown } = {
    share: (value) => share(value),
    call: (value) => echo(value).then(({ content }) => content),
    promise: (value) => Promise.resolve(value),
    D: (_, digest) => D(digest),
    twice: (value) => share(share(value)),
  };
  const values = fc.sample(VALUES, { numRuns: 40, seed: 14 });
  await cacheScope({ cache, strict: true }, async () => {
    for (const [index, value] of values.entries()) {
      const other = values[index - 1];
      const key = await echo.digest([value, { other }]);
      const wanted = await echo([value, { other }]);
      const digest = await cache.putValue(value);
      for (const [name, stand] of Object.entries(stands)) {
        const about = `${name}: ${Deno.inspect(value, { depth: 9 })}`;
        const toArgument = () => [stand(value, digest), { other: share(other) }];
        assertEquals(await echo.digest(toArgument()), key, about);
        await echo.evict(toArgument());
        const calls = [executor.submit(echo, toArgument()), executor.submit(echo, toArgument())];
        for (const result of await Promise.all(calls)) assert(sameValue(result, wanted), about);
        await echo.evict(toArgument());
        const items = executor.map(echo, [toArgument()], { onError: "yield" });
        const [mapped] = await Array.fromAsync(items);
        assert(mapped?.status === "fulfilled" && sameValue(mapped.value, wanted), about);
      }
      const shelved = await echo.shelve(value);
      const inside = await echo({ in: await echo(value) });
      assert(sameValue(await echo({ in: shelved }), inside), Deno.inspect(value));
    }
  });
});
