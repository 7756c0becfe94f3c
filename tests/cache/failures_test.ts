// end-to-end: failures are kept for people, in bounds, and never answer a call
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  type Bag,
  type Cache,
  CacheMissError,
  cacheScope,
  createMemoryCache,
  Executor,
  openBag,
  type QuiverWarning,
  withTags,
} from "@quiver/quiver";
import {
  type CallRecord,
  createCache,
  filtered,
  openFileCache,
  openSqliteCache,
  query,
  readOnly,
  refreshing,
  stack,
  table,
  union,
  where,
} from "@quiver/quiver/caches";
import { QuiverError } from "../../src/base/errors.ts";
import { CacheGuard } from "../../src/disk/disk_storage.ts";
import { FailureLog } from "../../src/disk/failure_log.ts";
import { DISK } from "../../src/disk/file_system.ts";
import type { FailureStore } from "../../src/disk/stores.ts";
import { SqliteFailures } from "../../src/store/sqlite/sqlite_failures.ts";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { DatabaseSync } from "node:sqlite";
import { leaveNothing } from "../leave_nothing.ts";
import { createOwnStores, withEveryCache } from "./_every_cache.ts";
import { callsIt, dies, needs, throwsAnything, throwsText } from "./testdata/failing_tasks.ts";

leaveNothing();

const failed = (cache: Cache) => query(cache, { state: "failed" });
const OPTIONS = { b: 1, a: 2 };

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  await run(folder);
  await Deno.remove(folder, { recursive: true });
}

const withBag = (run: (bag: Bag, folder: string) => Promise<void>) => async () =>
  await withFolder(async (folder) => {
    await using bag = await openBag(`${folder}/bag`, { fold: "manual" });
    await cacheScope({ cache: bag }, () => run(bag, folder));
  });

for (const workerType of WORKER_TYPES) {
  Deno.test(
    `${workerType}: a bag keeps the failures of calls of an executor until they succeed`,
    withBag(async (bag, folder) => {
      const file = `${folder}/file`;
      const output: string[] = [];
      await using executor = new Executor({
        ...{ workerType, maxWorkers: 1, retries: 1 },
        output: ({ text }) => void output.push(text),
      });
      await withTags({ run: "monday" }, async () => {
        await assertRejects(() => executor.submit(callsIt, file), RangeError, "it is missing");
      });
      const key = await needs.digest(file, OPTIONS);
      const records = await Array.fromAsync(failed(bag));
      const nested = records.find(({ task }) => task === "needs");
      assertEquals(records.map(({ task }) => task).sort(), ["callsIt", "needs"]);
      assertEquals([nested?.key, nested?.metadata], [key, { tags: { run: "monday" } }]);
      assertEquals(nested?.args.map(({ name }) => name), ["file", "options"]);
      const { error } = nested?.failure ?? {};
      assertEquals([error?.name, error?.message], ["RangeError", "it is missing"]);
      assertEquals([error?.cause?.name, error?.cause?.message], [
        "TypeError",
        "nobody has made it",
      ]);
      assertStringIncludes(error?.stack ?? "", "failing_tasks.ts");
      const whole = records.find(({ task }) => task === "callsIt");
      assertEquals(whole?.failure?.attempts, 2);
      if (workerType !== "inline") {
        assertEquals(output, Array(2).fill("looks for 2"));
        assertEquals(whole?.failure?.output, "looks for 2\nlooks for 2\n");
      }
      assert((whole?.duration ?? -1) >= 0 && (whole?.started ?? 0) > Date.now() - 60_000);

      // None of it is a hit.
      assertEquals([await needs.contains(file, OPTIONS), await bag.record(key)], [
        false,
        undefined,
      ]);
      assertEquals([await query(bag).count(), await query(bag, needs).count()], [0, 0]);
      await assertRejects(() => needs.load(file, OPTIONS), CacheMissError);
      await assertRejects(() => executor.submit(callsIt, file), RangeError);
      assertEquals(await failed(bag).count(), 2);

      // It is told again here, with the stored arguments.
      const known = { b: 1, a: 2 };
      await assertRejects(() => needs.reproduce(key), RangeError, "it is missing");
      await Deno.writeTextFile(file, "");
      assertEquals(await needs.reproduce(key), known.a);
      assertEquals(await failed(bag).count(), 2);

      assertEquals(await executor.submit(callsIt, file), 3);
      assertEquals(await failed(bag).count(), 0);
      assertEquals(await query(bag).count(), 2);
      // Not even when the result is forgotten.
      assertEquals(await bag.evict(await callsIt.digest(file)), true);
      assertEquals(await failed(bag).count(), 0);
    }),
  );
}

Deno.test(
  "the death of a worker is a failure that is kept, with the last it has printed",
  withBag(async (bag) => {
    await using executor = new Executor({ workerType: "process", maxWorkers: 1 });
    await assertRejects(() => executor.submit(dies, 3));
    const { failure, key } = await failed(bag).only();
    assertEquals([failure?.error.name, failure?.attempts], ["WorkerDiedError", 1]);
    assertStringIncludes(failure?.output ?? "", "about to die");
    assertEquals(key, await dies.digest(3));
  }),
);

async function keepsFailures(cache: Cache, folder: string): Promise<void> {
  await cacheScope({ cache, keepFailures: true }, async () => {
    await assertRejects(() => needs(`${folder}/file`, OPTIONS), RangeError);
    await assertRejects(() => throwsText(1, new Uint8Array(10)));
    const records = await Array.fromAsync(failed(cache));
    assertEquals(records.map(({ task }) => task), ["needs", "throwsText"]);
    assertEquals(records[1]?.failure?.error, { name: "string", message: '"no error 1"' });
    await assertRejects(() => throwsText.reproduce(records[1]?.key ?? ""));
    await assertRejects(() => needs.reproduce(records[1]?.key ?? ""), TypeError, "throwsText");
  });
  assertEquals(await failed(readOnly(cache)).count(), 2);
}

Deno.test("every kind of cache keeps the failures of calls until they succeed", () =>
  withFolder((folder) =>
    withEveryCache(async (cache, kind) => {
      const file = `${folder}/${kind}.txt`;
      await keepsFailures(cache, folder);
      await cacheScope({ cache, keepFailures: true, tags: { run: "monday" } }, async () => {
        await assertRejects(() => needs(file, OPTIONS), RangeError, "it is missing");
        const { key } = await query(cache, { state: "failed", tags: { run: "monday" } }).only();
        assertEquals([key, await cache.record(key)], [
          await needs.digest(file, OPTIONS),
          undefined,
        ]);
        // A later one of a call takes the place of the one before, and comes last.
        await assertRejects(() => throwsText(1, new Uint8Array(10)));
        const tasks = await Array.fromAsync(failed(cache), ({ task }) => task);
        assertEquals(tasks, ["needs", "needs", "throwsText"], kind);
        // What is stored for it stays for as long, and no longer.
        await cache.gc({ gracePeriod: 0 });
        await assertRejects(() => needs.reproduce(key), RangeError, "it is missing");
        await Deno.writeTextFile(file, "");
        assertEquals(await needs.reproduce(key), 2);
        assertEquals(await failed(cache).count(), 3);
        assertEquals([await needs(file, OPTIONS), await failed(cache).count()], [2, 2]);
        assertEquals([await cache.evict(key), await failed(cache).count()], [true, 2]);
      });
      assertEquals(await cache.evict({ state: "failed", task: needs }), 1);
      assertEquals([await failed(cache).evict(), await failed(cache).any()], [1, false]);
    })
  ));

Deno.test("file and SQLite caches show the failures that another handle has kept", () =>
  withFolder(async (folder) => {
    for (const open of [openFileCache, openSqliteCache] as const) {
      const path = `${folder}/${open.name}`;
      const file = `${path}.txt`;
      await using here = await open(path);
      await using executor = new Executor({ workerType: "inline" });
      // In the scope of an executor they are kept without being asked for.
      await cacheScope(
        { cache: here },
        () => assertRejects(() => executor.submit(needs, file, OPTIONS)),
      );
      {
        await using reading = await open(path, { mode: "read" });
        assertEquals(await failed(reading).count(), 1);
        await assertRejects(() => failed(reading).evict(), QuiverError, `mode: "read"`);
        await using there = await open(path);
        await Deno.writeTextFile(file, "");
        await cacheScope({ cache: there }, () => needs(file, OPTIONS));
        for (const cache of [here, there, reading]) assertEquals(await failed(cache).count(), 0);
      }
      await here.close();
      await assertRejects(() => failed(here).count(), QuiverError, "it is closed");
    }
  }));

Deno.test(
  "failures are kept here where that is asked for, and not otherwise",
  withBag(async (bag, folder) => {
    await assertRejects(() => needs(`${folder}/file`, OPTIONS));
    assertEquals(await failed(bag).count(), 0);
    await using executor = new Executor({ workerType: "inline" });
    await cacheScope({ keepFailures: false }, async () => {
      await assertRejects(() => executor.submit(callsIt, `${folder}/file`));
    });
    assertEquals(await failed(bag).count(), 0);
    await keepsFailures(bag, folder);
    await keepsFailures(stack(createMemoryCache(), bag), folder);
    // By task, by tag, and forgotten.
    assertEquals(await query(bag, { state: "failed", task: needs }).count(), 1);
    assertEquals(await query(bag, { state: "failed", tags: { a: 1 } }).count(), 0);
    assertEquals(await bag.evict({ state: "failed", task: needs }), 1);
    assertEquals(await (await needs.query({ state: "failed" })).count(), 0);
    assertEquals(await failed(bag).evict(), 1);
    assertEquals(await failed(bag).any(), false);
    await bag.evict(needs);
  }),
);

Deno.test(
  "a failure has no arguments where none are to be stored",
  withBag(async (bag) => {
    for (const storeArguments of ["none", "small"] as const) {
      await using executor = new Executor({ workerType: "inline" });
      await cacheScope({ storeArguments, keepFailures: true }, async () => {
        await throwsAnything(1).then(() => {}, () => {});
        await executor.submit(throwsAnything, 2).then(() => {}, () => {});
      });
      const stored = await Array.fromAsync(failed(bag), ({ args }) => args[0]?.value !== undefined);
      assertEquals(stored, [storeArguments === "small", storeArguments === "small"]);
    }
  }),
);

Deno.test(
  "whatever is thrown is kept as texts that end",
  withBag(async (bag) => {
    await cacheScope({ keepFailures: true }, async () => {
      for (const kind of [0, 1, 2, 3]) {
        await throwsAnything(kind).then(() => {}, () => {});
      }
    });
    const errors = await Array.fromAsync(failed(bag), ({ failure }) => failure?.error);
    assertEquals(errors.map((error) => error?.name), [
      "AggregateError",
      "RangeError",
      "object",
      "object",
    ]);
    assertEquals(errors[0]?.errors?.map(({ name, message }) => [name, message.length]), [
      ["RangeError", 4096],
      ["number", 1],
    ]);
    assert(JSON.stringify(errors).length < 150_000);
  }),
);

Deno.test(
  "what is given up is no failure of the call",
  withBag(async (bag, folder) => {
    await cacheScope({ keepFailures: true }, async () => {
      const future = needs(`${folder}/file`, OPTIONS);
      future.abort();
      await assertRejects(() => future);
    });
    assertEquals(await failed(bag).count(), 0);
  }),
);

Deno.test(
  "Task.reproduce() says what is missing",
  withBag(async (bag) => {
    await assertRejects(() => needs.reproduce("0".repeat(64)), CacheMissError, "neither a failure");
    await cacheScope({ cache: undefined }, async () => {
      await assertRejects(() => needs.reproduce("0".repeat(64)), TypeError, "there is no cache");
    });
    await cacheScope({ keepFailures: true }, async () => {
      // Too large to be kept for a call that has failed.
      const data = new Uint8Array(2 ** 21);
      await assertRejects(() => throwsText(2, data));
      const { key, args } = await failed(bag).only();
      assertEquals(args.map(({ value }) => value === undefined), [false, true]);
      const short = key.slice(0, 8);
      const error = await assertRejects(() => throwsText.reproduce(short), CacheMissError);
      assertStringIncludes(error.message, 'its argument "data" was not stored');
    });
    // What is known can be run again, too.
    assertEquals(await throwsText(3, new Uint8Array()), 3);
    assertEquals(await throwsText.reproduce(await throwsText.digest(3, new Uint8Array())), 3);
  }),
);

Deno.test(
  "gc() keeps the arguments of a failure for as long as that is kept",
  withBag(async (bag) => {
    const data = new Uint8Array(10_000).fill(7);
    await cacheScope({ keepFailures: true }, () => assertRejects(() => throwsText(4, data)));
    await bag.gc({ gracePeriod: 0 });
    const { key, args: [, argument] } = await failed(bag).only();
    assertEquals((await bag.value(argument?.value ?? "")).hit, true);
    await assertRejects(() => throwsText.reproduce(key));
    assertEquals(await bag.evict(key), true);
    // It stays for a moment, as it was put just now.
    while ((await bag.value(argument?.value ?? "")).hit) await bag.compact({ gracePeriod: 0 });
  }),
);

Deno.test("another handle sees failures and successes, also after compact() and a reopening", () =>
  withFolder(async (folder) => {
    const file = `${folder}/file`;
    await using other = await openBag(`${folder}/bag`, { fold: "manual" });
    {
      await using bag = await openBag(`${folder}/bag`, { fold: "manual" });
      await cacheScope(
        { cache: bag, keepFailures: true },
        () => assertRejects(() => needs(file, OPTIONS)),
      );
      await bag.compact({ gracePeriod: 0 });
    }
    assertEquals(await failed(other).count(), 1);
    await Deno.writeTextFile(file, "");
    await using third = await openBag(`${folder}/bag`, { fold: "manual" });
    await cacheScope({ cache: third }, () => needs(file, OPTIONS));
    for (const bag of [other, third]) assertEquals(await failed(bag).count(), 0);
    // It says nothing of failures to those who look for damage.
    assertEquals((await third.verify()).sound, true);
  }));

Deno.test("a cache that keeps no failures says so, and the call fails as it would", () =>
  withFolder(async (folder) => {
    const warnings: QuiverWarning[] = [];
    const onWarning = (warning: QuiverWarning) => void warnings.push(warning);
    const { failures: _, ...own } = createOwnStores();
    const cache = createCache(own);
    await cacheScope(
      { cache, keepFailures: true, onWarning },
      () => assertRejects(() => needs(`${folder}/file`, OPTIONS), RangeError),
    );
    assertEquals(warnings.length, 1);
    assertStringIncludes(
      warnings[0]?.message ?? "",
      "its cache keeps none, as its stores have no `failures`",
    );
    assertEquals(await failed(cache).count(), 0);
    // Neither is a failure that cannot be written down one of the call's.
    await using bag = await openBag(`${folder}/bag`, { fold: "manual" });
    await Deno.mkdir(`${folder}/bag/failures.jsonl`);
    await cacheScope(
      { cache: bag, keepFailures: true, strict: true, onWarning },
      () => assertRejects(() => needs(`${folder}/file`, OPTIONS), RangeError),
    );
    assertStringIncludes(warnings[1]?.message ?? "", 'Cannot keep the failure of "needs"');
  }));

Deno.test("views, unions and stacks show the failures that they are asked for", () =>
  withFolder(async (folder) => {
    const [top, below] = [createMemoryCache(), createMemoryCache()];
    const fail = (cache: Cache, run: string, name: string) =>
      cacheScope(
        { cache, keepFailures: true, tags: { run } },
        () => assertRejects(() => needs(`${folder}/${name}`, OPTIONS), RangeError),
      );
    await fail(below, "monday", "a");
    await fail(below, "monday", "b");
    await cacheScope({ cache: below, keepFailures: true }, async () => {
      await assertRejects(() => throwsText(1, new Uint8Array(1)));
    });
    await fail(top, "friday", "a");
    const runs = async (cache: Cache) =>
      (await Array.fromAsync(failed(cache))).map(({ metadata }) =>
        Object(metadata?.tags).run ?? "none"
      );
    // Each call once, its newest failure, in the order in which they have failed.
    for (const cache of [union(top, below), stack(top, below), stack(top, readOnly(below))]) {
      assertEquals(await runs(cache), ["monday", "none", "friday"]);
    }
    for (const query of [needs, { task: "needs" }, { tags: { run: "monday" } }]) {
      assertEquals(await runs(filtered(below, query)), ["monday", "monday"]);
    }
    assertEquals(await runs(filtered(below, { state: "failed" })), ["monday", "monday", "none"]);
    assertEquals(await runs(filtered(below, { state: "done" })), []);
    assertEquals(await runs(filtered(below, ({ task }) => task === "throwsText")), ["none"]);
    const since = refreshing(below);
    await fail(since, "later", "c");
    assertEquals((await runs(since)).at(-1), "later");
    // They have no result, and none is missed.
    const warnings: QuiverWarning[] = [];
    const onWarning = (warning: QuiverWarning) => void warnings.push(warning);
    const selected = query(below, { state: "failed", result: where.absent }, { onWarning });
    assertEquals(await selected.count(), 4);
    assertEquals(await Array.fromAsync(selected.results()), []);
    assertEquals((await table(selected, { results: true })).column("result")[0], undefined);
    assertEquals(warnings, []);
    // A stack forgets wherever it may.
    assertEquals(await failed(stack(top, readOnly(below))).evict(), 1);
    assertEquals([await runs(top), (await runs(below)).length], [[], 4]);
    assertEquals(await failed(stack(top, below)).evict(), 4);
    assertEquals(await runs(below), []);
  }));

Deno.test("forgetting failures costs no result, and what is read-only keeps them", () =>
  withFolder(async (folder) => {
    const file = `${folder}/file`;
    {
      await using bag = await openBag(`${folder}/bag`, { fold: "manual" });
      await cacheScope({ cache: bag, keepFailures: true }, async () => {
        await Deno.writeTextFile(file, "");
        await needs(file, OPTIONS);
        await Deno.remove(file);
        await assertRejects(() => needs.rerun(file, OPTIONS), RangeError);
        assertEquals([await failed(bag).evict(), await failed(bag).count()], [1, 0]);
        assertEquals(await needs(file, OPTIONS), 2);
        await assertRejects(() => needs.rerun(file, OPTIONS), RangeError);
        const view = readOnly(bag);
        for (const template of [{ state: "failed" }, { task: needs }] as const) {
          await assertRejects(() => view.evict(template), TypeError, "it is read-only");
        }
        await assertRejects(() => failed(view).evict(), TypeError, "it is read-only");
      });
    }
    await using bag = await openBag(`${folder}/bag`, { mode: "read" });
    await assertRejects(() => bag.evict({ state: "failed" }), TypeError, "it is read-only");
    assertEquals(await failed(bag).count(), 1);
  }));

function toRecord(n: number, bytes = 0): CallRecord {
  return {
    ...{ key: n.toString(16).padStart(64, "0"), scheme: 2, module: "file:///a.ts", task: "a" },
    ...{ args: [], result: "", started: n, duration: 1, metadata: {} },
    failure: { error: { name: "Error", message: `m ${n}` }, attempts: 1, bytes },
  };
}

const ON_DISK = {
  fileSystem: DISK,
  guard: new CacheGuard("the cache of this test", "readwrite", "/nowhere"),
};

Deno.test("FailureLog keeps the newest failures, however many there are", () =>
  withFolder((root) => {
    const path = `${root}/failures.jsonl`;
    const limits = { most: 10, mostBytes: 20_000 };
    const options = { ...ON_DISK, root, path, limits, mostFileBytes: 8000 };
    const [log, other] = [new FailureLog(options), new FailureLog(options)];
    const numbers = (of: FailureLog) => of.records().map(({ started }) => started);
    let largest = 0;
    for (let n = 0; n < 200; n++) {
      (n % 3 === 0 ? other : log).put(toRecord(n));
      largest = Math.max(largest, Deno.statSync(path).size);
    }
    assert(log.seen.size <= 20 && other.seen.size <= 20, "what is forgotten is not remembered");
    const newest = Array.from({ length: 10 }, (_, n) => 190 + n);
    assertEquals([numbers(log), numbers(other)], [newest, newest]);
    assert(largest < 8500, `${largest}`);
    assertEquals(new FailureLog(options).get(toRecord(195).key), toRecord(195));
    // A key that fails again comes last, and one that is cleared is gone for all.
    other.put(toRecord(191));
    assertEquals([log.delete(toRecord(192).key), log.delete(toRecord(192).key)], [true, false]);
    assertEquals(numbers(other), [190, 193, 194, 195, 196, 197, 198, 199, 191]);
    assertEquals([other.seen.has(toRecord(192).key), other.seen.has(toRecord(191).key)], [
      false,
      true,
    ]);
    // What is large makes older ones go.
    log.put(toRecord(300, 19_000));
    assertEquals(numbers(other).at(-1), 300);
    assert(numbers(other).length < 9);
    return Promise.resolve();
  }));

Deno.test("SqliteFailures and stores of one's own keep the newest failures", async () => {
  const { failures, ...own } = createOwnStores();
  const numbers = async (of: FailureStore) => (await of.records()).map(({ started }) => started);
  const database = new DatabaseSync(":memory:");
  const sqlite = new SqliteFailures(ON_DISK.guard, database, { most: 10, mostBytes: 20_000 });
  const mine = createCache({ ...own, failures }).stores.failures;
  assert(mine !== undefined);
  for (const [store, most] of [[sqlite, 10], [mine, 1000]] as const) {
    assertEquals([await numbers(store), await store.delete(toRecord(1).key)], [[], false]);
    for (let n = 0; n < most + 5; n++) await store.put(toRecord(n));
    assertEquals(await numbers(store), Array.from({ length: most }, (_, n) => 5 + n));
    assertEquals([store.seen.size, store.seen.has(toRecord(4).key)], [most, false]);
    assertEquals([await store.get(toRecord(4).key), (await store.get(toRecord(5).key))?.started], [
      undefined,
      5,
    ]);
    await store.put(toRecord(most + 6, most === 10 ? 19_500 : 2 ** 24 - 500));
    assertEquals((await numbers(store)).at(-1), most + 6);
    assert((await numbers(store)).length < 5, "what is large makes older ones go");
    assertEquals([
      await store.delete(toRecord(most + 6).key),
      store.seen.has(toRecord(most + 6).key),
    ], [
      true,
      false,
    ]);
  }
  // Whatever somebody has made of the rows is passed over.
  sqlite.put(toRecord(50));
  sqlite.put(toRecord(51));
  database.exec(`UPDATE failures SET record = replace(record, 'm 50', 'm 52')`);
  await failures.put({ ...toRecord(5000), failure: { error: 1 } } as unknown as CallRecord);
  assertEquals([(await numbers(sqlite)).at(-1), (await numbers(sqlite)).includes(50)], [51, false]);
  assert(!(await numbers(mine)).includes(5000));
  database.close();
});

Deno.test("FailureLog passes over whatever is no failure, and goes on after a removal", () =>
  withFolder((root) => {
    const path = `${root}/failures.jsonl`;
    const log = new FailureLog({ ...ON_DISK, root, path });
    assertEquals([log.records(), log.delete(toRecord(1).key)], [[], false]);
    log.put(toRecord(1));
    const [line = ""] = Deno.readTextFileSync(path).split("\n").filter(Boolean);
    const damaged = ["", "{", line.replace("m 1", "m 2"), '{"failed":1}', "x".repeat(10_000)];
    Deno.writeTextFileSync(path, damaged.join("\n"), { append: true });
    log.put(toRecord(3));
    const again = new FailureLog({ ...ON_DISK, root, path });
    assertEquals(again.records(), [toRecord(1), toRecord(3)]);
    // A line that is not finished may be later.
    Deno.writeTextFileSync(path, line.slice(0, 40), { append: true });
    assertEquals(log.records().length, 2);
    // What somebody has made large is not read as a whole.
    const few = new FailureLog({ ...ON_DISK, root, path, mostFileBytes: 1000 });
    Deno.writeTextFileSync(path, "\n".repeat(5000), { append: true });
    assertEquals(few.records(), []);
    Deno.removeSync(path);
    assertEquals([log.records(), log.seen.size], [[], 0]);
    log.put(toRecord(4));
    assertEquals(again.records(), [toRecord(4)]);
    return Promise.resolve();
  }));
