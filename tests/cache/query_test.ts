// contract: queries of caches of every kind, sound or with a damaged record
import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Cache, createMemoryCache, openBag, type QuiverWarning } from "@quiver/quiver";
import { Bag } from "../../src/cache/stored_cache.ts";
import {
  type CallRecord,
  type CallTemplate,
  type Json,
  limited,
  openFileCache,
  openSqliteCache,
  query,
  readOnly,
  stack,
  union,
  where,
} from "@quiver/quiver/caches";
import * as fc from "fast-check";
import { DatabaseSync } from "node:sqlite";
import { toMatcher } from "../../src/call/call_query.ts";
import { Condition } from "../../src/call/condition.ts";
import { toShortDigest } from "../bag/_short_digest.ts";
import { fill, toKey, toRecord } from "./_records.ts";

const json = fc.constantFrom<Json>(
  ...[true, false, 0, 1, "1", "true", null, 0.1, 1e300, -2.5, 'a"\\\u00e9', [1, true], { a: 1 }],
);
const fact = fc.constantFrom("a", "b", "__proto__", 'a"b', "");
const facts = fc.dictionary(fact, json, { maxKeys: 2 });
const bound = fc.constantFrom<number | string>(0, 1, 0.1, 1e300, -2.5, "1", "t");
/** A condition, and the same word by word. */
const condition = fc.oneof(
  fc.constant([where.present, (found: unknown) => found !== undefined] as const),
  fc.constant([where.absent, (found: unknown) => found === undefined] as const),
  fc.tuple(fc.constantFrom("above", "atLeast", "below", "atMost"), bound).map(([name, bound]) => {
    const holds = (found: unknown) => {
      if (typeof found !== typeof bound || found === null) return false;
      const [a, b] = [found as number, bound as number];
      return { above: a > b, atLeast: a >= b, below: a < b, atMost: a <= b }[name];
    };
    return [where[name](bound), holds] as const;
  }),
);
const conditions = new Map<unknown, (found: unknown) => boolean>();
const test = condition.map(([one, holds]) => {
  conditions.set(one, holds);
  return one;
});
const wantedFacts = fc.dictionary(fact, fc.oneof(json, test), { maxKeys: 2 });
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

/** A record that is put under one of a few keys, or, without fields, a key that is forgotten. */
type Change = readonly [number, Partial<CallRecord> | undefined];
const change: fc.Arbitrary<Change> = fc.tuple(
  fc.nat(7),
  fc.option(call, { nil: undefined, freq: 4 }),
);

const template: fc.Arbitrary<CallTemplate> = fc.record({
  task: fc.constantFrom("f", "g", { address: { module: "file:///a.ts", name: "f" } }),
  module: fc.constantFrom("file:///a.ts", "file:///b.ts"),
  version: fc.constantFrom(1, "1", 0),
  tags: wantedFacts,
  metadata: fc.record({ host: fc.oneof(json, test) }, { requiredKeys: [] }),
  duration: fc.oneof(time, fc.constant(where.above(1)), fc.constant(where.between(1, 2))),
  before: time,
  after: time,
}, { requiredKeys: [] });

/** The records that are there after changes. */
function applyChanges(changes: readonly Change[]): CallRecord[] {
  const records = new Map<number, CallRecord>();
  for (const [index, fields] of changes) {
    if (fields === undefined) records.delete(index);
    else records.set(index, toRecord(fields, index));
  }
  return [...records.values()];
}

function keysOf(records: readonly CallRecord[]): string[] {
  return records.map(({ key }) => key).sort();
}

/** What a template says, word by word: JSON of another type is another value. */
function isMeant(record: CallRecord, what: CallTemplate): boolean {
  const { task, module, version, tags = {}, metadata = {}, before, after } = what;
  const [end, found] = [record.started + record.duration, record.metadata];
  const is = (value: unknown, wanted: unknown) =>
    conditions.get(wanted)?.(value) ?? (value !== undefined && toText(value) === toText(wanted));
  const has = (facts: unknown, wanted: { readonly [name: string]: unknown }) =>
    Object.entries(wanted).every(([name, value]) =>
      is(Object.entries(facts ?? {}).find(([n]) => n === name)?.[1], value)
    );
  if (typeof task === "string" && record.task !== task) return false;
  if (typeof task === "object") {
    if (record.task !== task.address.name || record.module !== task.address.module) return false;
  }
  if (module !== undefined && record.module !== module) return false;
  if (version !== undefined && record.version !== version) return false;
  const { duration = 0 } = what;
  if (what.duration !== undefined && typeof duration === "number") {
    if (record.duration !== duration) return false;
  } else if (what.duration !== undefined) {
    // Those of the template above: more than 1, and from 1 to 2.
    const isAbove = duration instanceof Condition && duration.data?.is === "above";
    if (isAbove ? record.duration <= 1 : record.duration < 1 || record.duration > 2) return false;
  }
  if (what.tags !== undefined) {
    if (found.tags === undefined && Object.keys(tags).length === 0) return false;
    if (!has(found.tags, tags)) return false;
  }
  if (!has(found, metadata)) return false;
  return (before === undefined || end < Number(before)) &&
    (after === undefined || end >= Number(after));
}

function toText(json: unknown): string {
  if (typeof json !== "object" || json === null) return JSON.stringify(json);
  if (Array.isArray(json)) return `[${json.map(toText)}]`;
  return `{${Object.entries(json).map(([name, value]) => `${name}:${toText(value)}`).sort()}}`;
}

// fleche 45
Deno.test("query() gives what matches the template, whatever holds the records", async () => {
  const path = await Deno.makeTempDir();
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { maxLength: 12 }),
      fc.array(template, { minLength: 1, maxLength: 5 }),
      async (changes, templates) => {
        const at = `${path}/${runs++}`;
        await using bag = await openBag(`${at}.bag`, { fold: "manual" });
        await using files = await openFileCache(`${at}.files`);
        await using database = await openSqliteCache(`${at}.db`);
        const records = applyChanges(changes);
        const expected = templates.map((what) =>
          keysOf(records.filter((record) => isMeant(record, what)))
        );
        const check = async (cache: Cache) => {
          for (const [i, what] of templates.entries()) {
            assertEquals(keysOf(await Array.fromAsync(query(cache, what))), expected[i]);
            assertEquals(await query(cache, what).count(), expected[i]?.length);
          }
        };
        const layers = [database, bag] as const;
        for (const cache of [createMemoryCache(), bag, files, database]) {
          for (const [index, fields] of changes) {
            if (fields === undefined) await cache.evict(toKey(index));
            else await cache.putRecord(toRecord(fields, index));
          }
          await check(cache);
        }
        for (const cache of [stack(...layers), union(...layers), readOnly(database)]) {
          await check(cache);
        }
        // Another who opens it after the log was written anew; that takes a worker.
        if (runs % 5 > 0) return;
        await bag.compact({ gracePeriod: 0 });
        await using reader = await openBag(bag.path, { mode: "read" });
        await check(reader);
      },
    ),
    { numRuns: 10 },
  );
  await Deno.remove(path, { recursive: true });
});

Deno.test("toMatcher() says what a template says, word by word", () => {
  fc.assert(
    fc.property(call, template, (fields, what) => {
      const record = toRecord(fields, 0);
      assertEquals(toMatcher(what)(record), isMeant(record, what));
    }),
    { numRuns: 2000 },
  );
});

// fleche 45
Deno.test("SQL answers what a query asks as memory does, counts included", async () => {
  const path = `${await Deno.makeTempDir()}/calls.db`;
  {
    await using database = await openSqliteCache(path);
    const memory = createMemoryCache();
    for (const [index, fields] of fc.sample(call, 60).entries()) {
      for (const cache of [memory, database]) await cache.putRecord(toRecord(fields, index));
    }
    // As an earlier version writes it, which knows of no tasks.
    const older = new DatabaseSync(path);
    for (let round = 0; round < 2; round++) {
      for (const what of fc.sample(template, 150)) {
        const [expected, found] = [query(memory, what), query(database, what)];
        const records = await Array.fromAsync(found);
        assertEquals(keysOf(records), keysOf(await Array.fromAsync(expected)), toText(what));
        assertEquals(await found.count(), records.length, toText(what));
      }
      older.exec("UPDATE calls SET task = NULL WHERE key < '" + toKey(30) + "'");
    }
    older.close();
  }
  await Deno.remove(path, { recursive: true });
});

interface OnDisk {
  open(path: string): Promise<Cache & AsyncDisposable>;
  /** What is done after all is stored. */
  readonly settle?: (cache: Cache) => Promise<unknown>;
  /** Changes the record of one call. */
  damage(path: string, key: string): void;
}

function damageFile(path: string, key: string): void {
  const text = Deno.readTextFileSync(path);
  const at = text.indexOf(key);
  assert(at > 0, "the record is there");
  const damaged = text.slice(at).replace('"result"', '"res?lt"');
  Deno.writeTextFileSync(path, text.slice(0, at) + damaged);
}

function damageLog(path: string, key: string): void {
  damageFile(`${path}/calls.jsonl`, toShortDigest(key));
}

function damageRow(path: string, key: string): void {
  const database = new DatabaseSync(path);
  database.exec(
    `UPDATE calls SET record = replace(record, 'broken', 'br?ken') WHERE key = '${key}'`,
  );
  database.close();
}

const ON_DISK: { readonly [kind: string]: OnDisk } = {
  bag: {
    open: (path) => openBag(path, { fold: "manual" }),
    damage: damageLog,
  },
  "compacted bag": {
    open: (path) => openBag(path, { fold: "manual" }),
    settle: async (cache) => cache instanceof Bag && await cache.compact({ gracePeriod: 0 }),
    damage: damageLog,
  },
  file: {
    open: (path) => openFileCache(path),
    damage: (path, key) => damageFile(`${path}/calls/${key.slice(0, 2)}/${key.slice(2)}.json`, key),
  },
  SQLite: { open: (path) => openSqliteCache(path), damage: damageRow },
  signed: {
    open: (path) => openBag(path, { fold: "manual", signingKey: "a key of sixteen bytes" }),
    damage: damageLog,
  },
};

for (const [kind, { open, settle, damage }] of Object.entries(ON_DISK)) {
  // fleche 46
  Deno.test(`query() of a ${kind} cache warns of a damaged record, and yields the others`, async () => {
    const path = `${await Deno.makeTempDir()}/cache`;
    const warnings: string[] = [];
    const look = async (cache: Cache, what: CallTemplate = {}) => {
      warnings.length = 0;
      const onWarning = ({ message }: QuiverWarning) => void warnings.push(message);
      const found = await Array.fromAsync(query(cache, what, { onWarning }));
      return found.map(({ started }) => started).sort();
    };
    {
      await using cache = await open(path);
      await fill(cache, [{ task: "f" }, { task: "broken" }, { task: "f" }]);
      await settle?.(cache);
      assertEquals([await look(cache), warnings], [[0, 1, 2], []]);
    }
    damage(path, toKey(1));
    {
      await using cache = await open(path);
      const layers = [cache, readOnly(cache), stack(createMemoryCache(), cache), union(cache)];
      for (const one of [...layers, limited(cache, { maxItems: 9 })]) {
        assertEquals([await look(one), warnings.length], [[0, 2], 1]);
        assert(
          warnings[0]?.startsWith("Cannot read a damaged record of calls, first"),
          warnings[0],
        );
        assert(warnings[0]?.includes(path), warnings[0]);
      }
      // SQLite looks up by task: no record of another one is looked at.
      const told = kind === "SQLite" ? 0 : 1;
      assertEquals([await look(cache, { task: "g" }), warnings.length], [[], told]);
      assertEquals([await look(cache, { task: "broken" }), warnings.length], [[], 1]);
      await fill(cache, [{ task: "f" }, { task: "whole" }]);
      assertEquals(await look(cache, { task: "whole" }), [1]);
    }
    await Deno.remove(path, { recursive: true });
  });
}

Deno.test("a line that was damaged before its table was made is told of by a query", async () => {
  const path = await Deno.makeTempDir();
  {
    await using bag = await openBag(path, { fold: "manual" });
    await fill(bag, [{ task: "f" }, { task: "broken" }, { task: "f" }]);
  }
  damageLog(path, toKey(1));
  // A fold makes a table where the log is long, and a rewrite makes one of all.
  for (const makeTable of ["fold", "compact"] as const) {
    {
      await using bag = await openBag(path, { fold: "manual" });
      const records = Array.from({ length: 600 }, () => ({ task: "x" }));
      if (makeTable === "fold") await fill(bag, records);
      await bag[makeTable]();
    }
    assert(Deno.statSync(`${path}/calls.index`).size > 64);
    await using bag = await openBag(path, { mode: "read" });
    const warnings: string[] = [];
    const onWarning = ({ message }: QuiverWarning) => void warnings.push(message);
    await query(bag, { task: "f" }, { onWarning }).count();
    assertEquals(warnings.length, 1, makeTable);
    assert(warnings[0]?.startsWith("Cannot read a damaged record of calls"), warnings[0]);
  }
  await Deno.remove(path, { recursive: true });
});

Deno.test("query() does not warn of a record whose writer died, which nobody was told of", async () => {
  const path = await Deno.makeTempDir();
  {
    await using bag = await openBag(path, { fold: "manual" });
    await fill(bag, [{ task: "f" }, { task: "torn" }]);
  }
  const log = await Deno.readTextFile(`${path}/calls.jsonl`);
  await Deno.writeTextFile(`${path}/calls.jsonl`, log.slice(0, -40));
  {
    await using bag = await openBag(path, { fold: "manual" });
    await fill(bag, [{ task: "f" }]);
    const onWarning = ({ message }: QuiverWarning) => assertEquals(message, "none");
    assertEquals(await query(bag, {}, { onWarning }).count(), 1);
  }
  await Deno.remove(path, { recursive: true });
});

Deno.test("query() of a large bag gives once what stays, whatever is put and forgotten meanwhile", async () => {
  const path = await Deno.makeTempDir();
  for (const change of ["put", "compact"] as const) {
    await using bag = await openBag(`${path}/${change}`, { fold: "manual" });
    await fill(bag, Array.from({ length: 900 }, (_, i) => ({ task: i % 3 === 0 ? "f" : "g" })));
    await fill(bag, [{ task: "newer" }, { task: "newer" }]);
    if (change === "put") await bag.fold();
    assert(Deno.statSync(`${bag.path}/calls.jsonl`).size > 100_000);
    assertEquals(await query(bag, { task: "f" }).count(), 299);
    assertEquals(await query(bag).count(), 900);
    const found: string[] = [];
    for await (const { key, task } of query(bag, ({ task }) => task !== "g")) {
      found.push(key);
      if (found.length !== 5) continue;
      assertEquals(task, "f");
      // Those that were given are put again, and so is one that is still to come; others are forgotten.
      await fill(bag, Array.from({ length: 12 }, () => ({ task: "f" })));
      await bag.putRecord(toRecord({ task: "f" }, 600));
      await bag.evict({ task: "newer" });
      await bag.evict(toKey(603));
      if (change === "compact") await bag.compact({ gracePeriod: 0 });
    }
    assertEquals(new Set(found).size, found.length);
    const expected = Array.from({ length: 299 }, (_, i) => toKey(3 * i + 3));
    const lost = expected.filter((key) => !found.includes(key));
    assertEquals(lost, [toKey(603)]);
  }
  await Deno.remove(path, { recursive: true });
});

Deno.test("query() refuses an option that it does not know", () => {
  // @ts-expect-error: a caller without types.
  const misspelled = () => query(createMemoryCache(), {}, { onWarnign: () => {} });
  assertThrows(misspelled, TypeError, '"onWarnign" is not an option');
});
