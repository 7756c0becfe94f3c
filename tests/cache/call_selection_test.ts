// collaboration: the selection of calls in caches of every kind
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  Cache,
  type CallRecord,
  type CallTemplate,
  createMemoryCache,
  openBag,
  openFileCache,
  openSqliteCache,
  query,
} from "@quiver/quiver";
import * as fc from "fast-check";
import { toMatcher } from "../../src/call/call_template.ts";

const json = fc.constantFrom(true, false, 0, 1, "1", "true", null, [1, true], { a: 1 });
const facts = fc.dictionary(fc.constantFrom("a", "b", "__proto__"), json, { maxKeys: 2 });
const time = fc.integer({ min: 0, max: 4 });

/** Few of each, so that templates match. */
const call = fc.record({
  task: fc.constantFrom("f", "g"),
  module: fc.constantFrom("file:///a.ts", "file:///b.ts"),
  version: fc.constantFrom(1, "1", 0, 1.5),
  started: time,
  duration: time,
  metadata: fc.record({ tags: facts, host: json }, { requiredKeys: [] }),
});

const template: fc.Arbitrary<CallTemplate> = fc.record({
  task: fc.constantFrom("f", "g"),
  module: fc.constantFrom("file:///a.ts", "file:///b.ts"),
  version: fc.constantFrom(1, "1", 0),
  tags: facts,
  metadata: fc.record({ host: json }, { requiredKeys: [] }),
  before: time,
  after: time,
}, { requiredKeys: [] });

function toRecord(fields: Partial<CallRecord>, index: number): CallRecord {
  const key = `${index}`.padStart(64, "0");
  const record = { scheme: 1, module: "file:///a.ts", task: "f", args: [], result: key };
  return { ...record, started: index, duration: 0, metadata: {}, ...fields, key };
}

async function fill(cache: Cache, calls: readonly Partial<CallRecord>[]): Promise<CallRecord[]> {
  const records = calls.map(toRecord);
  for (const record of records) await cache.putRecord(record);
  return records;
}

function keysOf(records: readonly CallRecord[]): string[] {
  return records.map(({ key }) => key).sort();
}

// fleche 45
Deno.test("query() gives what matches the template, whatever holds the records", async () => {
  const path = await Deno.makeTempDir();
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(call, { maxLength: 8 }),
      fc.array(template, { minLength: 1, maxLength: 5 }),
      async (calls, templates) => {
        const at = `${path}/${runs++}`;
        await using bag = await openBag(`${at}.bag`, { fold: "manual" });
        await using files = await openFileCache(`${at}.files`);
        await using database = await openSqliteCache(`${at}.db`);
        for (const cache of [createMemoryCache(), bag, files, database]) {
          const records = await fill(cache, calls);
          for (const template of templates) {
            const found = await Array.fromAsync(query(cache, template));
            assertEquals(keysOf(found), keysOf(records.filter(toMatcher(template))));
          }
        }
      },
    ),
    { numRuns: 15 },
  );
  await Deno.remove(path, { recursive: true });
});

// fleche 46
Deno.test("query() passes over a record that is damaged", async () => {
  const path = await Deno.makeTempDir();
  {
    await using bag = await openBag(path, { fold: "manual" });
    await fill(bag, [{ task: "f" }, { task: "broken" }, { task: "f" }]);
  }
  const log = await Deno.readTextFile(`${path}/calls.jsonl`);
  await Deno.writeTextFile(`${path}/calls.jsonl`, log.replace('"broken"', '"br?ken"'));
  {
    await using bag = await openBag(path, { mode: "read" });
    assertEquals((await Array.fromAsync(query(bag))).map(({ started }) => started), [0, 2]);
  }
  await Deno.remove(path, { recursive: true });
});

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
  assertEquals(await query(from).transfer(to), 1);
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
