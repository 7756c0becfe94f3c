// End-to-end: a worker makes the keys that the program makes, whatever a function looks like.
import { assert, assertEquals } from "@std/assert";
import { cacheScope, createMemoryCache, Executor, task } from "@quiver/quiver";
import { leaveNothing } from "../leave_nothing.ts";
import { shapes } from "./testdata/code_shapes.js";
import { keys } from "./testdata/code_shapes.ts";

leaveNothing();

for (const workerType of ["web", "process", "inline"] as const) {
  Deno.test(`${workerType}: functions of any shape have the keys that they have in the program`, async () => {
    const here = await keys();
    assertEquals(new Set(here).size, here.length);
    assert(here.every((key) => /^[0-9a-f]{64}$/.test(key)));
    await using executor = new Executor({ workerType, maxWorkers: 1 });
    assertEquals(await executor.submit(keys), here);
  });
}

Deno.test("a function that names `arguments` by escapes counts what it was given", async () => {
  const { escaped } = shapes;
  assert(escaped !== undefined);
  const count = task(import.meta, escaped as (...args: unknown[]) => unknown, { name: "escaped" });
  await cacheScope({ cache: createMemoryCache() }, async () => {
    assertEquals([await count(1), await count(1, undefined), await count(1)], [1, 2, 1]);
  });
});
