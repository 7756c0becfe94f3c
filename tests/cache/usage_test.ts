// end-to-end: what the values of each task take
import { assert, assertEquals, assertRejects } from "@std/assert";
import { cacheScope, createMemoryCache, openBag, task } from "@quiver/quiver";
import { createCache, query, stack, usage } from "@quiver/quiver/caches";

const zeros = task(import.meta, (n: number) => new Float64Array(n), { name: "zeros" });
const same = task(import.meta, (n: number) => new Float64Array(n), { name: "same" });
const fails = task(import.meta, (data: Float64Array): number => {
  throw new Error(`${data.length} numbers`);
}, { name: "fails" });

Deno.test("usage() counts values once for each task, what tasks share, and what no call names", async () => {
  const path = await Deno.makeTempDir();
  {
    await using bag = await openBag(path);
    await cacheScope({ cache: bag }, async () => {
      await zeros(1000);
      await zeros(1001);
      await same(1000);
    });
    const { tasks, bytes, garbage, missing } = await usage(bag);
    assertEquals(tasks.map(({ task, calls }) => [task, calls]), [["zeros", 2], ["same", 1]]);
    const [first, second] = tasks;
    assert(first !== undefined && second !== undefined);
    // The argument and the result are all that the other task has.
    assertEquals(second.shared, second.bytes);
    assertEquals(first.shared, second.bytes);
    assertEquals([bytes, missing, garbage], [first.bytes, 0, { values: 0, bytes: 0 }]);
    await bag.fold();
    assertEquals((await usage(bag)).bytes, bytes);
    await query(bag, zeros).evict();
    const after = await usage(bag);
    assertEquals(after.tasks.map(({ task, shared }) => [task, shared]), [["same", 0]]);
    assertEquals(after.garbage?.bytes, first.bytes - second.bytes);
    const dropped = await bag.gc({ gracePeriod: 0 });
    // What was stored within the last second may stay.
    assert(dropped.bytes <= first.bytes - second.bytes);
  }
  await Deno.remove(path, { recursive: true });
});

Deno.test("usage() takes what kept failures name for no garbage, and a missing value for missing", async () => {
  const path = await Deno.makeTempDir();
  {
    await using bag = await openBag(`${path}/bag`);
    await cacheScope({ cache: bag, keepFailures: true }, async () => {
      await fails(new Float64Array(2000)).catch(() => {});
      await zeros(10);
    });
    assertEquals((await usage(bag)).garbage, { values: 0, bytes: 0 });
    const record = await query(bag, zeros).only();
    await bag.putRecord({ ...record, key: "a".repeat(64), result: "b".repeat(64) });
    assertEquals((await usage(bag)).missing, 1);
    // A stack tells what the bag beneath it takes.
    const stacked = await usage(stack(createMemoryCache(), bag));
    assertEquals(stacked.tasks.map(({ task }) => task), ["zeros"]);
  }
  // One of somebody's own stores, which drop no values.
  const own = createCache({
    values: { put() {}, get: () => undefined },
    calls: { put() {}, get: () => undefined, delete: () => false, records: () => [] },
  });
  await assertRejects(() => usage(own), TypeError, "Cannot tell what this cache takes");
  await Deno.remove(path, { recursive: true });
});
