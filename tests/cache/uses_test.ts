// end-to-end: who has used which call, in all kinds of caches, across handles and programs
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Cache,
  cacheScope,
  createMemoryCache,
  Executor,
  openBag,
  type QuiverWarning,
  task,
} from "@quiver/quiver";
import {
  filtered,
  limited,
  openFileCache,
  openSqliteCache,
  query,
  readOnly,
  rekey,
  stack,
  union,
  where,
} from "@quiver/quiver/caches";
import * as fc from "fast-check";
import { UseLog } from "../../src/disk/use_log.ts";
import type { UseSet } from "../../src/disk/stores.ts";
import { inc, twice } from "./testdata/use_tasks.ts";

const square = task(import.meta, (n: number) => n * n, { name: "square of uses", version: 1 });

type Open = () => Promise<Cache & AsyncDisposable>;

/** Opens the same cache again and again. */
function toKinds(folder: string): [kind: string, open: Open, uses: string][] {
  return [
    ["bag", () => openBag(`${folder}/bag`, { fold: "manual" }), `${folder}/bag/uses.jsonl`],
    ["file", () => openFileCache(`${folder}/files`), `${folder}/files/uses.jsonl`],
    ["SQLite", () => openSqliteCache(`${folder}/db`), `${folder}/db-leases/uses.jsonl`],
    [
      "signed",
      () => openBag(`${folder}/signed`, { fold: "manual", signingKey: "k".repeat(32) }),
      `${folder}/signed/uses.jsonl`,
    ],
  ];
}

async function withFolder(run: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function call(cache: Cache, run: string | undefined, numbers: readonly number[]): Promise<void> {
  return cacheScope({ cache, tags: run === undefined ? {} : { run } }, async () => {
    for (const n of numbers) await square(n);
  });
}

const count = (cache: Cache, run: string) => query(cache, { tags: { run } }).count();

async function known(cache: Cache): Promise<number[]> {
  const numbers = await Array.fromAsync(query(cache, square).results());
  return numbers.map((n) => Math.sqrt(Number(n))).sort((a, b) => a - b);
}

/** What Friday used is found and kept, whatever becomes of Monday's. */
async function keepsFridays(first: Cache, again: Cache): Promise<void> {
  await call(first, "monday", [1, 2, 3, 4]);
  await call(first, "friday", [2, 3]);
  await call(first, undefined, [4]);
  assertEquals([await count(first, "friday"), await count(first, "monday")], [2, 4]);
  const [record] = await Array.fromAsync(query(again, { tags: { run: "friday" } }));
  const [use] = record?.uses ?? [];
  assertEquals([record?.uses?.length, use?.tags, typeof use?.run], [
    1,
    { run: "friday" },
    "string",
  ]);
  assert(use !== undefined && record !== undefined && use.at >= Math.floor(record.started));
  assertEquals(record.lastUsed, use.at);
  assertEquals((await again.record(record.key))?.uses, record.uses);
  // What was used without tags is of nobody, and goes with those who have computed it.
  assertEquals(await query(again, { tags: { run: "monday" } }).take(9).evict(), 2);
  assertEquals([await known(again), await known(first)], [[2, 3], [2, 3]]);
  assertEquals([await count(again, "monday"), await count(again, "friday")], [0, 2]);
  assertEquals([await count(first, "monday"), await count(first, "friday")], [0, 2]);
  await call(again, "sunday", [3]);
  assertEquals(await again.evict({ tags: { run: "friday" } }), 1);
  assertEquals([await known(first), await count(first, "sunday")], [[3], 1]);
  assertEquals(await query(first, { tags: { run: where.present } }).evict(), 1);
  // What was forgotten as a whole is nobody's when it is computed again.
  await call(first, "now", [2, 3]);
  assertEquals(await Promise.all(["friday", "sunday", "now"].map((run) => count(again, run))), [
    ...[0, 0, 2],
  ]);
}

Deno.test("query() by tags finds what was used with them, and evicting leaves it to others", () =>
  withFolder(async (folder) => {
    const memory = createMemoryCache();
    await keepsFridays(memory, memory);
    await memory.evict({});
    await keepsFridays(limited(memory, { maxItems: 100 }), memory);
    for (const [, open] of toKinds(folder)) {
      await using cache = await open();
      await keepsFridays(cache, cache);
    }
  }));

Deno.test("uses survive programs: what was unused for long is found, evicted and limited", () =>
  withFolder(async (folder) => {
    for (const [kind, open, path] of toKinds(folder)) {
      {
        await using cache = await open();
        await call(cache, "monday", [1, 2, 3]);
        for await (const record of cache.records()) {
          const { signature: _, ...own } = record;
          await cache.putRecord({ ...own, started: own.started - 1e6 });
        }
        await call(cache, undefined, [2]);
        await cacheScope({ cache, tags: { run: "friday" } }, () => square.load(3));
      }
      await using cache = await open();
      const unused = query(cache, { lastUsed: { before: Date.now() - 500_000 } });
      assertEquals([await unused.count(), await unused.any(), kind], [1, true, kind]);
      assertEquals(await query(cache, { lastUsed: { after: new Date(0) } }).count(), 3);
      assertEquals(await count(cache, "friday"), 1);
      // By their ends alone 1 goes first, then 2.
      await call(limited(cache, { maxItems: 3 }), "sunday", [4]);
      assertEquals(await known(cache), [2, 3, 4]);
      await call(limited(cache, { maxItems: 3 }), "sunday", [5]);
      assertEquals(await known(cache), [3, 4, 5]);
      assertEquals(await cache.evict({ lastUsed: { after: 0 }, tags: { run: "monday" } }), 0);
      assertEquals([await known(cache), await count(cache, "monday")], [[3, 4, 5], 0]);
      assertEquals(await cache.evict({ lastUsed: { before: Date.now() + 5000 } }), 3);
      const lines = (await Deno.readTextFile(path)).split("\n").filter(Boolean);
      assert(lines.length < 12, `${lines.length}`);
    }
  }));

Deno.test("hits of workers are uses with the tags and the run of who has sent the calls", () =>
  withFolder(async (folder) => {
    await using bag = await openBag(folder, { fold: "manual" });
    await cacheScope({ cache: bag, tags: { run: "monday" } }, () => inc(1));
    {
      await using executor = new Executor({ maxWorkers: 1 });
      await cacheScope({ cache: bag, tags: { run: "friday" } }, () => executor.submit(twice, 1));
    }
    const { uses } = await query(bag, { task: inc, tags: { run: "friday" } }).only();
    await cacheScope({ cache: bag, tags: { run: "later" } }, () => inc(1));
    const later = await query(bag, inc).only();
    assertEquals(uses?.map(({ tags }) => tags), [{ run: "friday" }]);
    assertEquals(later.uses?.map(({ run }) => run), [uses?.[0]?.run, uses?.[0]?.run]);
  }));

Deno.test("many hits cost a line for hundreds of calls, and a cache that is only read keeps none", () =>
  withFolder(async (folder) => {
    const numbers = Array.from({ length: 100 }, (_, n) => n);
    for (const [, open, path] of toKinds(folder).slice(0, 3)) {
      {
        await using cache = await open();
        await call(cache, "monday", numbers);
        for (let round = 0; round < 10; round++) await call(cache, "friday", numbers);
      }
      const text = await Deno.readTextFile(path);
      const lines = text.split("\n").filter(Boolean);
      assert(lines.length <= 2, `${lines.length} lines`);
      assert(text.length < 100 * 80, `${text.length} bytes for 100 calls`);
    }
    const before = await Deno.readTextFile(`${folder}/bag/uses.jsonl`);
    {
      await using bag = await openBag(`${folder}/bag`, { mode: "read" });
      await call(bag, "sunday", [1]);
      await call(readOnly(bag), "sunday", [1]);
      assertEquals([await count(bag, "sunday"), await count(bag, "friday")], [0, 100]);
      await assertRejects(() => bag.evict({ tags: { run: "friday" } }), Error, "read");
    }
    assertEquals(await Deno.readTextFile(`${folder}/bag/uses.jsonl`), before);
  }));

Deno.test("SQL finds what was used with tags as memory does", () =>
  withFolder(async (folder) => {
    await using sqlite = await openSqliteCache(`${folder}/db`);
    await using bag = await openBag(`${folder}/bag`, { fold: "manual" });
    const memory = createMemoryCache();
    const caches = [memory, sqlite, bag];
    const run = fc.constantFrom("a", "b", "c");
    const step = fc.record({ n: fc.nat(5), run, batch: fc.nat(2), evicts: fc.boolean() });
    const wanted = fc.oneof(run, fc.constant(where.above("a")), fc.constant(where.absent));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), wanted, async (steps, wanted) => {
        const seen = await Promise.all(caches.map(async (cache) => {
          await cache.evict({});
          for (const { n, run, batch, evicts } of steps) {
            const tags = { run, batch };
            if (evicts) await query(cache, { tags }).evict();
            else await cacheScope({ cache, tags }, () => square(n));
          }
          const calls = query(cache, { task: square, tags: { run: wanted, batch: 1 } });
          const keys = await Array.fromAsync(calls, ({ key }) => key);
          return [keys.sort(), await calls.count(), await known(cache)];
        }));
        assertEquals(seen[1], seen[0]);
        assertEquals(seen[2], seen[0]);
      }),
      { numRuns: 25 },
    );
  }));

Deno.test("transfer, rekey, export and backup carry uses", () =>
  withFolder(async (folder) => {
    await using bag = await openBag(`${folder}/bag`, { fold: "manual" });
    await call(bag, "monday", [1, 2]);
    await call(bag, "friday", [2]);
    const archive = createMemoryCache();
    await query(bag).transfer(archive, { pop: true });
    assertEquals([await count(archive, "friday"), await count(bag, "friday")], [1, 0]);
    // And back, though the bag has forgotten them a moment ago.
    await query(archive).transfer(bag);
    assertEquals(await count(bag, "friday"), 1);
    await bag.exportHdf5(`${folder}/calls.h5`, { tags: { run: "friday" } });
    await bag.backup(`${folder}/backup`);
    await bag.backup(`${folder}/backup`);
    {
      await using backup = await openBag(`${folder}/backup`, { mode: "read" });
      assertEquals([await count(backup, "friday"), await count(backup, "monday")], [1, 2]);
    }
    await using imported = await openBag(`${folder}/imported`, { fold: "manual" });
    assertEquals((await imported.importHdf5(`${folder}/calls.h5`)).calls, 1);
    assertEquals([await known(imported), await count(imported, "friday")], [[2], 1]);
    await rekey(imported, { change: () => ({ version: 2 }) });
    const moved = await query(imported, { tags: { run: "friday" } }).only();
    assertEquals([moved.version, moved.uses?.length], [2, 1]);
    assertEquals((await bag.verify()).sound, true);
    // What else is in the records is as it was.
    for await (const record of bag.records()) {
      assert(!("uses" in record || "lastUsed" in record));
    }
  }));

Deno.test("stacks, unions and views know of uses, and a stack tells all of its caches", () =>
  withFolder(async (folder) => {
    const [mine, ours] = [createMemoryCache(), createMemoryCache()];
    await using bag = await openBag(folder, { fold: "manual" });
    await call(ours, "monday", [1, 2]);
    await call(stack(bag, readOnly(ours)), "friday", [1]);
    assertEquals([await count(bag, "friday"), await count(ours, "friday")], [1, 0]);
    await call(stack(mine, bag), "sunday", [1]);
    await call(stack(mine, bag), "sunday", [1]);
    assertEquals([await count(mine, "sunday"), await count(bag, "sunday")], [1, 1]);
    assertEquals(await count(union(mine, ours), "sunday"), 1);
    assertEquals(await known(filtered(bag, { tags: { run: "sunday" } })), [1]);
    await assertRejects(() => query(union(mine, ours), { tags: { run: "monday" } }).evict(), Error);
    assertEquals(await stack(mine, bag).evict({ tags: { run: "sunday" } }), 0);
    assertEquals([await count(mine, "sunday"), await count(bag, "sunday")], [0, 0]);
    assertEquals(await count(stack(mine, bag), "friday"), 1);
  }));

Deno.test("limited() by cost forgets first what took the least time for each byte", async () => {
  const inner = createMemoryCache();
  await call(inner, "monday", [1, 2, 3, 4]);
  for await (const record of inner.records()) {
    const [n] = await Array.fromAsync(query(inner, ({ key }) => key === record.key).results());
    await inner.putRecord({ ...record, duration: [0, 50, 5, 500, 1][Math.sqrt(Number(n))] ?? 0 });
  }
  const cache = limited(inner, { maxItems: 4, policy: "cost" });
  await call(cache, "monday", [4, 4, 2]);
  const put = async (n: number) => {
    const started = Date.now();
    const key = await cacheScope({ cache: inner }, () => square.digest(n));
    await cacheScope({ cache: inner }, () => square(n));
    const record = await inner.record(key);
    if (record !== undefined) await cache.putRecord({ ...record, started, duration: 20 });
  };
  await put(5);
  assertEquals(await known(inner), [1, 2, 3, 5]);
  await put(6);
  assertEquals(await known(inner), [1, 3, 5, 6]);
});

const KEYS = Array.from({ length: 40 }, (_, n) => n.toString(16).padStart(64, "0"));

function toSet(run: string, tags: UseSet["tags"], keys: readonly string[], at: number): UseSet {
  return { run, tags, calls: new Map(keys.map((key) => [key, at])) };
}

function toTimes(log: UseLog): Record<string, number> {
  const times: Record<string, number> = {};
  for (const { tags, calls } of log.read()) {
    for (const [key, at] of calls) {
      const name = `${tags.run ?? ""} ${Number.parseInt(key, 16)}`;
      times[name] = Math.max(at, times[name] ?? 0);
    }
  }
  return times;
}

Deno.test("UseLog writes down within seconds, anew when it is large, and loses nothing of others", () =>
  withFolder(async (root) => {
    const path = `${root}/uses.jsonl`;
    Deno.writeTextFileSync(`${root}/marker`, "");
    const options = { root, path, marker: `${root}/marker`, writable: true, isKnown: () => true };
    let [asked, told] = [0, false];
    {
      using log = new UseLog({ ...options, pause: 1 });
      log.expect(() => {
        asked++;
        return [toSet("r1", { run: "a" }, KEYS.slice(0, 2), 1000.5)];
      });
      // Nothing else tells that it was written.
      while (!told) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        told = Deno.statSync(root) && [...Deno.readDirSync(root)].length === 2;
      }
      assertEquals(asked, 1);
    }
    const logs = Array.from({ length: 3 }, () => new UseLog({ ...options, leastBytes: 2000 }));
    const expected: Record<string, number> = { "a 0": 1000.5, "a 1": 1000.5 };
    let largest = 0;
    for (let round = 0; round < 60; round++) {
      const log = logs[round % 3];
      const [key = ""] = KEYS.slice(round % 40);
      const at = Date.now() + round * 120_000;
      log?.add([toSet(`run ${round % 5}`, { run: "b" }, [key], at)]);
      expected[`b ${round % 40}`] = at;
      log?.flush();
      largest = Math.max(largest, Deno.statSync(path).size);
    }
    for (const log of logs) assertEquals(toTimes(log), expected);
    // Written anew it has one line for each tags and run: most are of another.
    assert(largest < 16_000, `${largest}`);
    // What others forget is not brought back by who still knows it.
    logs[0]?.add([toSet("r9", { run: "b" }, KEYS.slice(0, 1), 5)]);
    logs[1]?.forget(KEYS.slice(0, 1), [{ run: "b" }]);
    logs[0]?.flush();
    delete expected["b 0"];
    for (const log of logs) assertEquals(toTimes(log), expected);
    logs[1]?.forget(KEYS);
    for (const log of logs) assertEquals(toTimes(log), {});
    for (const log of logs) log[Symbol.dispose]();
  }));

Deno.test("UseLog passes damage over, and what it cannot write costs a warning and nothing else", () =>
  withFolder((root) => {
    const path = `${root}/uses.jsonl`;
    const warnings: QuiverWarning[] = [];
    const options = {
      ...{ root, path, marker: `${root}/marker`, writable: true, isKnown: () => true },
      onWarning: (warning: QuiverWarning) => void warnings.push(warning),
    };
    // Where there is no cache any more nothing is written.
    const gone = new UseLog(options);
    gone.add([toSet("r", {}, KEYS, 1)]);
    gone[Symbol.dispose]();
    assertEquals([...Deno.readDirSync(root)], []);
    Deno.writeTextFileSync(`${root}/marker`, "");
    const log = new UseLog(options);
    log.add([toSet("r", { run: "a" }, KEYS.slice(0, 1), 1)]);
    log.flush();
    const line = Deno.readTextFileSync(path).trim();
    const damage = [line.replace('"r"', '"s"'), "{", '{"used":1}', line.slice(0, 40)];
    Deno.writeTextFileSync(path, `\n${damage.join("\n")}`, { append: true });
    const again = new UseLog(options);
    assertEquals([toTimes(again), again.read().length], [{ "a 0": 1 }, 1]);
    again.add([toSet("r", { run: "b" }, KEYS.slice(1, 2), 2)]);
    again.flush();
    assertEquals(toTimes(log), { "a 0": 1, "b 1": 2 });
    assertEquals(warnings, []);
    Deno.removeSync(path);
    Deno.mkdirSync(path);
    log.add([toSet("r", { run: "c" }, KEYS.slice(0, 1), 3)]);
    log.flush();
    assertEquals([log.read(), warnings.length], [[], 1]);
    assert(warnings[0]?.message.includes("uses.jsonl"), warnings[0]?.message);
    for (const one of [log, again]) one[Symbol.dispose]();
  }));
