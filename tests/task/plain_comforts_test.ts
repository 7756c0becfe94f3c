// end-to-end: what a task says of retries, deadline and rate holds where it is called as a function
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  cacheScope,
  createMemoryCache,
  currentSignal,
  DeadlineError,
  Executor,
  task,
} from "@quiver/quiver";
import { query } from "@quiver/quiver/caches";

const CACHES = [undefined, createMemoryCache()];
let tries = 0;
const seen: unknown[] = [];

/** Fails until it has been tried often enough, and spoils its argument each time. */
const flaky = task(import.meta, (least: number, list: { n: number[] }) => {
  seen.push([...list.n]);
  list.n.push(tries);
  if (++tries < least) throw new RangeError(`try ${tries}`);
  return list.n.length;
}, { name: "flaky", retries: { times: 3, delay: 1, jitter: 1 } });

const strict = task(import.meta, () => {
  tries++;
  throw new RangeError("no");
}, { name: "strict", retries: { times: 5, when: (error) => !(error instanceof RangeError) } });

const nested = task(import.meta, (least: number) => flaky(least, { n: [] }), { name: "nested" });

const begun: number[] = [];
const paced = task(import.meta, (n: number) => {
  begun.push(performance.now());
  return n;
}, { name: "paced", rate: { calls: 2, per: 80 } });

const slow = task(import.meta, async (kind: "waits" | "hears" | "blocks") => {
  tries++;
  const end = performance.now() + 60_000;
  if (kind === "blocks") { while (performance.now() < end - 60_000 + 30); }
  else if (kind === "hears") {
    await new Promise((_, reject) => {
      currentSignal().addEventListener("abort", () => reject(currentSignal().reason));
    });
  } else await new Promise((resolve) => settle = resolve);
  return kind;
}, { name: "slow", deadline: 15 });
let settle: (value?: unknown) => void = () => {};

const again = task(import.meta, async () => {
  if (++tries < 3) {
    await new Promise((_, reject) => currentSignal().addEventListener("abort", reject));
  }
  return tries;
}, {
  name: "again",
  deadline: 15,
  retries: { times: 3, when: (error) => error instanceof DeadlineError },
});

Deno.test("a task that is called as a function is tried again as it says, with its arguments", async () => {
  for (const cache of CACHES) {
    await cacheScope({ cache, keepFailures: true, onWarning: () => {} }, async () => {
      [tries, seen.length] = [0, 0];
      const given = { n: [7] };
      const future = flaky(3, given);
      // As it was when the call was made.
      given.n.push(8);
      assertEquals([await future, tries, seen], [2, 3, [[7], [7], [7]]]);
      tries = 0;
      const error = await assertRejects(async () => await flaky(9, { n: [] }), RangeError, "try 4");
      assertEquals([tries, Reflect.get(error, "attempts")], [4, 4]);
      tries = 0;
      await assertRejects(async () => await strict(), RangeError);
      assertEquals(tries, 1);
      tries = 0;
      assertEquals([await nested(4), tries], [1, 4]);
      if (cache === undefined) return;
      assertEquals(await flaky.contains(3, { n: [7] }), true);
      const failed = await Array.fromAsync(query(cache, { state: "failed" }));
      assertEquals(failed.map(({ failure }) => failure?.attempts), [4, 1]);
    });
  }
});

Deno.test("a call that is given up is not tried again, nor does it wait to be", async () => {
  const lasting = task(import.meta, () => {
    tries++;
    throw new Error("no");
  }, { name: "lasting", retries: { times: 3, delay: 1_000_000 } });
  tries = 0;
  const future = lasting();
  while (tries === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  future.abort(new TypeError("enough"));
  await assertRejects(async () => await future, TypeError, "enough");
  assertEquals(tries, 1);
});

Deno.test("the deadline of a task holds where it is called as a function", async () => {
  for (const cache of CACHES) {
    await cacheScope({ cache, onWarning: () => {} }, async () => {
      for (const kind of ["waits", "hears", "blocks"] as const) {
        tries = 0;
        const error = await assertRejects(
          async () => await slow(kind),
          DeadlineError,
          '"slow" within 15 ms',
        );
        assertEquals([tries, error.deadline], [1, 15], kind);
        settle();
        await new Promise((resolve) => setTimeout(resolve));
        assertEquals(await slow.contains(kind), false, kind);
      }
      tries = 0;
      assertEquals([await again(), tries], [3, 3]);
    });
  }
});

Deno.test("no more calls begin in a time than the rate of their task lets, with and without a cache", async () => {
  for (const cache of CACHES) {
    begun.length = 0;
    await cacheScope({ cache }, async () => {
      assertEquals(await Promise.all([1, 2, 3, 4, 5].map((n) => paced(n))), [1, 2, 3, 4, 5]);
      const times = begun.map((time, i) => time - (begun[i - 2] ?? -Infinity));
      assert(times.every((time) => time > 40), `${times}`);
      // A hit waits for nothing.
      if (cache !== undefined) await Promise.all([1, 2, 3].map((n) => paced(n)));
      assertEquals(begun.length, 5);
    });
  }
});

Deno.test("an executor tries a call as often as its task says, and not more", async () => {
  await using executor = new Executor({ workerType: "inline" });
  tries = 0;
  await assertRejects(async () => await executor.submit(flaky, 99, { n: [] }), RangeError, "try 4");
  assertEquals(tries, 4);
});
