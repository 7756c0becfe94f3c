// collaboration: the selection of calls, made with records of a cache in memory
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createMemoryCache } from "@quiver/quiver";
import { Cache } from "../../src/cache/cache.ts";
import { query } from "@quiver/quiver/caches";
import { fill } from "./_records.ts";

// fleche 47
Deno.test("CallSelection.only() wants one call", async () => {
  const cache = createMemoryCache();
  await fill(cache, [{ task: "f" }, { task: "f" }, { task: "g" }]);
  assertEquals((await query(cache, { task: "g" }).only()).task, "g");
  const only = (task: string) => () => query(cache, { task }).only();
  await assertRejects(only("h"), RangeError, "Cannot give the only call: no call matches");
  await assertRejects(only("f"), RangeError, "more than one call matches");
});

// fleche 47
Deno.test("CallSelection.latest() and oldest() go by the end of the body", async () => {
  const cache = createMemoryCache();
  assertEquals(await query(cache).latest(), undefined);
  assertEquals(await query(cache).oldest(), undefined);
  await fill(cache, [
    { started: 10, duration: 50, task: "long" },
    { started: 20, duration: 1, task: "short" },
    { started: 30, duration: 5, task: "other" },
  ]);
  assertEquals((await query(cache).latest())?.task, "long");
  assertEquals((await query(cache).oldest())?.task, "short");
  assertEquals((await query(cache).filter(({ task }) => task !== "long").latest())?.task, "other");
});

// fleche 47
Deno.test("query() can be gone over again, and then sees what is new", async () => {
  const cache = createMemoryCache();
  await fill(cache, [{}, {}]);
  const calls = query(cache);
  assertEquals([await calls.count(), await calls.count()], [2, 2]);
  await fill(cache, [{}, {}, {}]);
  assertEquals([await calls.count(), await calls.any()], [3, true]);
});

Deno.test("CallSelection.take() asks for no more than it gives", async () => {
  const cache = createMemoryCache();
  await fill(cache, [{}, {}, {}]);
  let asked = 0;
  const calls = query(cache, () => ++asked > 0);
  assertEquals(await calls.take(0).count(), 0);
  assertEquals(asked, 0);
  assertEquals(await calls.take(2).count(), 2);
  assertEquals(asked, 2);
  assertEquals(await calls.take(9).count(), 3);
  assertThrows(() => calls.take(NaN), RangeError, "must be a number of at least 0");
});

Deno.test("CallSelection.evict() forgets what was selected", async () => {
  const cache = createMemoryCache();
  await fill(cache, [{ task: "f" }, { task: "g" }, { task: "f" }]);
  assertEquals(await query(cache, { task: "f" }).evict(), 2);
  assertEquals((await query(cache).only()).task, "g");
});

Deno.test("CallSelection.transfer() copies calls whose results are there", async () => {
  const [from, to] = [createMemoryCache(), createMemoryCache()];
  const result = await from.putValue({ big: new Float64Array(1000).fill(2) });
  await fill(from, [{ result }, { result: "a".repeat(64) }]);
  assertEquals(await query(from).transfer(to), { copied: 1, kept: 0, failed: 1 });
  const record = await query(to).only();
  assertEquals(await to.value(record.result), {
    hit: true,
    value: { big: new Float64Array(1000).fill(2) },
  });
});

Deno.test("query() refuses a field that it does not know when it is looked up", async () => {
  const cache = new Cache(createMemoryCache().stores);
  // @ts-expect-error: a caller without types.
  const calls = query(cache, { taks: "f" });
  await assertRejects(() => calls.count(), TypeError, '"taks" is no field');
  assert(!(await query(cache).any()));
});
