// end-to-end: what tasks offer beside being called
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  type Cache,
  CacheMissError,
  cacheScope,
  createMemoryCache,
  currentScope,
  Executor,
  IndigestibleError,
  openBag,
  QuiverError,
  task,
  withTags,
} from "@quiver/quiver";
import { readOnly, voidCache } from "@quiver/quiver/caches";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { leaveNothing } from "../leave_nothing.ts";
import { leaf, middle, root } from "./testdata/refreshed_tasks.ts";

leaveNothing();

let runs = 0;
const count = task(import.meta, (n: number) => ({ n, run: ++runs }), { name: "counted" });
const outerOf = task(import.meta, async (n: number) => [++runs, (await count(n)).run], {
  name: "outer of counted",
});
const failing = task(import.meta, (n: number): number => {
  if (runs++ > 0) throw new RangeError("not again");
  return n;
}, { name: "failing again" });

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  await run(folder);
  await Deno.remove(folder, { recursive: true });
}

async function withCaches(run: (cache: Cache) => Promise<void>): Promise<void> {
  await cacheScope({ cache: createMemoryCache() }, () => run(currentCache()));
  await withFolder(async (folder) => {
    await using bag = await openBag(folder, { fold: "manual" });
    await cacheScope({ cache: bag }, () => run(bag));
  });
}

function currentCache(): Cache {
  const { cache } = currentScope();
  assert(cache !== undefined);
  return cache;
}

Deno.test("Task.call() runs now and remembers, whatever is known, and calls beneath are hits", () =>
  withCaches(async () => {
    runs = 0;
    assertEquals(await count.call(1), { n: 1, run: 1 });
    // Within one millisecond, too.
    for (let run = 2; run < 30; run++) {
      const future = count.call(1);
      assertEquals([await future, future.hit, future.age], [{ n: 1, run }, false, undefined]);
      assertEquals(await count(1), { n: 1, run });
    }
    runs = 0;
    assertEquals(await outerOf(1), [1, 29]);
    assertEquals(await outerOf.call(1), [2, 29]);
  }));

Deno.test("Task.call() leaves what is known when the function throws", () =>
  withCaches(async () => {
    runs = 0;
    assertEquals(await failing(1), 1);
    await assertRejects(() => failing.call(1), RangeError, "not again");
    assertEquals(await failing(1), 1);
    assertEquals(await failing.load(1), 1);
  }));

Deno.test("Task.call() and rerun() run without a cache", async () => {
  runs = 0;
  assertEquals([await count.call(1), await count.rerun(2)], [{ n: 1, run: 1 }, { n: 2, run: 2 }]);
});

// fleche 19
Deno.test("Task.rerun() runs the whole tree of calls again, each once", () =>
  withFolder((folder) =>
    withCaches(async () => {
      for await (const { name } of Deno.readDir(folder)) await Deno.remove(`${folder}/${name}`);
      assertEquals(await root(folder), "1: 1 of 1, 1 of 1");
      assertEquals(await root.rerun(folder), "2: 2 of 2, 2 of 2");
      // Only what is beneath.
      assertEquals(await leaf.rerun(folder, 0), 3);
      assertEquals([await middle(folder, 1), await root(folder)], ["2 of 2", "2: 2 of 2, 2 of 2"]);
      const bound = root.bind();
      assertEquals(await bound.rerun(folder), "3: 3 of 4, 3 of 4");
      assertEquals([await root(folder), await bound(folder)], Array(2).fill("3: 3 of 4, 3 of 4"));
    })
  ));

for (const workerType of WORKER_TYPES) {
  // fleche 19
  Deno.test(`${workerType}: a scope with refresh runs the tree of submitted calls again`, () =>
    withFolder(async (folder) => {
      await Deno.mkdir(`${folder}/runs`);
      const runs = `${folder}/runs`;
      await using bag = await openBag(`${folder}/bag`, { fold: "manual" });
      await using executor = new Executor({ workerType, maxWorkers: 2 });
      await cacheScope({ cache: bag }, async () => {
        assertEquals(await executor.submit(root, runs), "1: 1 of 1, 1 of 1");
        await cacheScope({ refresh: true }, async () => {
          assertEquals(await root.contains(runs), false);
          assertEquals(await executor.submit(root, runs), "2: 2 of 2, 2 of 2");
          // Each once, whoever asks in the scope.
          assertEquals(await executor.submit(middle, runs, 1), "2 of 2");
          assertEquals(await Array.fromAsync(executor.map(root, [runs])), ["2: 2 of 2, 2 of 2"]);
          await cacheScope({ refresh: false }, async () => {
            assertEquals(await executor.submit(leaf, runs, 0), 2);
          });
          await cacheScope({ refresh: true }, async () => {
            assertEquals(await executor.submit(leaf, runs, 0), 3);
          });
        });
        const future = executor.submit(root, runs);
        assertEquals([await future, future.hit], ["2: 2 of 2, 2 of 2", true]);
      });
    }));
}

/** A run of a task that begins and ends as the test says. */
interface GatedRun {
  readonly begun: PromiseWithResolvers<void>;
  readonly end: PromiseWithResolvers<void>;
}

const RUNS: GatedRun[] = [];
const gated = task(import.meta, async (_n: number) => {
  const run = ++runs;
  RUNS[run - 1]?.begun.resolve();
  await RUNS[run - 1]?.end.promise;
  return run;
}, { name: "gated run" });

Deno.test("Task.call() does not take the result of a run that had begun before", () =>
  withCaches(async () => {
    runs = 0;
    RUNS.length = 0;
    const [one, two] = Array.from({ length: 2 }, (): GatedRun => ({
      begun: Promise.withResolvers(),
      end: Promise.withResolvers(),
    }));
    assert(one !== undefined && two !== undefined);
    RUNS.push(one, two);
    const first = gated(0);
    await one.begun.promise;
    const again = gated.call(0);
    const joined = gated(0);
    one.end.resolve();
    assertEquals([await first, await joined], [1, 1]);
    await two.begun.promise;
    const late = gated(0);
    two.end.resolve();
    assertEquals(await again, 2);
    // It is a hit of what is known, or waits for what comes.
    assert([1, 2].includes(await late));
    assertEquals([await gated(0), runs], [2, 2]);
  }));

Deno.test("Task.shelve() holds a result that counts as its value where it is an argument", () =>
  withCaches(async (cache) => {
    runs = 0;
    const shelved = await count.shelve(5);
    assertEquals(shelved.digest, (await cache.record(await count.digest(5)))?.result);
    const [one, other] = [await shelved.get(), await shelved.get()];
    assertEquals([one, other], Array(2).fill({ n: 5, run: 1 }));
    assert(one !== other, "each gets its own");
    const value = await field(shelved);
    assertEquals(value, 5);
    const again = field({ n: 5, run: 1 });
    assertEquals([await again, again.hit], [5, true]);
    assertEquals(await field.digest(shelved), await field.digest({ n: 5, run: 1 }));
    assertEquals(await fieldOf([shelved, [{ a: shelved }]]), 10);
    assertStringIncludes(Deno.inspect(shelved), shelved.digest);
    assertEquals(await shelved.clear(), true);
    assertEquals(await shelved.clear(), false);
    assertEquals(await count.contains(5), false);
    const error = await assertRejects(() => shelved.get(), CacheMissError);
    assertStringIncludes(error.message, "it was cleared; shelve the call again");
    await assertRejects(() => field(shelved), QuiverError, "it was cleared");
  }));

const field = task(import.meta, ({ n }: { n: number; run: number }) => n, { name: "field" });
const fieldOf = task(
  import.meta,
  ([one, [other]]: [{ n: number }, [{ a: { n: number } }]]) => one.n + other.a.n,
  { name: "fieldOf" },
);

Deno.test("a shelved result is still held when its call cannot be forgotten", async () => {
  const cache = createMemoryCache();
  const known = await cacheScope({ cache }, () => count(7));
  await cacheScope({ cache: readOnly(cache) }, async () => {
    const shelved = await count.shelve(7);
    await assertRejects(() => shelved.clear(), TypeError, "read-only");
    assertEquals(await shelved.get(), known);
  });
});

Deno.test("Task.shelve() keeps what is not remembered, and fails as the call does", async () => {
  runs = 0;
  for (const cache of [undefined, voidCache, readOnly(createMemoryCache())]) {
    await cacheScope({ cache, onWarning: () => {} }, async () => {
      const shelved = await count.shelve(1);
      const value = await shelved.get();
      value.n = 9;
      assertEquals((await shelved.get()).n, 1);
      assertEquals([await shelved.clear(), await shelved.clear()], [true, false]);
      runs = 1;
      await assertRejects(() => failing.shelve(1), RangeError, "not again");
    });
  }
});

Deno.test("a shelved result is an argument on a worker", () =>
  withFolder(async (folder) => {
    await using bag = await openBag(folder, { fold: "manual" });
    await using executor = new Executor({ workerType: "web", maxWorkers: 1 });
    await cacheScope({ cache: bag }, async () => {
      const shelved = await twoRuns.shelve();
      assertEquals(await executor.submit(lengthOf, shelved), 2);
      assertEquals(await Array.fromAsync(executor.map(lengthOf, [[1, 2, 3]])), [3]);
    });
  }));

export const twoRuns = task(import.meta, () => [1, 2], { name: "twoRuns" });
export const lengthOf = task(import.meta, (list: number[]) => list.length, { name: "lengthOf" });

Deno.test("Task.seed() puts a known result in, and callers take it", () =>
  withCaches(async (cache) => {
    runs = 0;
    const key = await withTags({ of: "before" }, () => count.seed([7], { n: 7, run: 100 }));
    assertEquals(await count(7), { n: 7, run: 100 });
    assertEquals(await outerOf(7), [1, 100]);
    const record = await cache.record(key);
    assertEquals([record?.metadata, record?.task], [{ tags: { of: "before" } }, "counted"]);
    assertEquals(record?.args.map(({ name }) => name), ["n"]);
    // It replaces what is known.
    await count.seed([7], Promise.resolve({ n: 7, run: 101 }));
    assertEquals((await count(7)).run, 101);
    assertEquals(runs, 1);
  }));

Deno.test("Task.seed() refuses what it cannot keep, and says why", async () => {
  await assertRejects(() => count.seed([1], { n: 1, run: 1 }), TypeError, "there is no cache here");
  const cache = createMemoryCache();
  await cacheScope({ cache: readOnly(cache) }, async () => {
    await assertRejects(() => count.seed([1], { n: 1, run: 1 }), TypeError, "read-only");
  });
  await cacheScope({ cache }, async () => {
    const wrong = 1 as unknown as [number];
    await assertRejects(() => count.seed(wrong, { n: 1, run: 1 }), TypeError, "an array");
    const bad = (() => {}) as unknown as number;
    await assertRejects(() => count.seed([bad], { n: 1, run: 1 }), IndigestibleError);
    const result = { n: 1, run: bad };
    await assertRejects(() => count.seed([1], result), QuiverError, "Cannot seed");
    assertEquals(await count.contains(1), false);
  });
});

Deno.test("Task.query() selects the calls of the task in the cache of the scope", () =>
  withCaches(async () => {
    await withTags({ run: "friday" }, () => count(1));
    await count(2);
    await outerOf(2);
    assertEquals(await (await count.query()).count(), 2);
    const friday = await count.query({ tags: { run: "friday" } });
    assertEquals((await friday.only()).key, await count.digest(1));
    assertEquals(await friday.evict(), 1);
    assertEquals(await count.contains(1), false);
    const wrong: object = { module: "elsewhere" };
    await assertRejects(() => count.query(wrong), TypeError, '"module" is that of the task');
    await cacheScope({ cache: undefined }, async () => {
      assertEquals(await (await count.query()).any(), false);
    });
  }));

// fleche 15
Deno.test("Cache.prepare() stores a result once, or abandons the call", () =>
  withCaches(async (cache) => {
    runs = 0;
    const prepared = await cache.prepare({ task: count, args: [1] });
    assertEquals(prepared.key, await count.digest(1));
    assertEquals(await count.contains(1), false);
    await prepared.commit({ n: 1, run: 50 });
    assertEquals(await count(1), { n: 1, run: 50 });
    const again = await assertRejects(() => prepared.commit({ n: 1, run: 51 }), QuiverError);
    assertStringIncludes(again.message, "it was committed already");
    await prepared.abandon();
    assertEquals(await count(1), { n: 1, run: 50 });

    const other = await cache.prepare({ task: count, args: [2] });
    await other.abandon();
    await other.abandon();
    await assertRejects(() => other.commit({ n: 2, run: 0 }), QuiverError, "it was abandoned");
    assertEquals(await count(2), { n: 2, run: 1 });
    {
      await using _left = await cache.prepare({ task: count, args: [3] });
    }
    assertEquals(await count(3), { n: 3, run: 2 });
  }));

// fleche 14
Deno.test("Cache.prepare() keys and stores arguments and result as they are at the time", () =>
  withCaches(async (cache) => {
    const list = [1, 2];
    const prepared = await cache.prepare({ task: lengthOf, args: [list] });
    list.push(3);
    await prepared.commit(20);
    assertEquals([await lengthOf([1, 2]), await lengthOf(list)], [20, 3]);
    const record = await cache.record(prepared.key);
    assertEquals(await cache.value(record?.args[0]?.value ?? ""), { hit: true, value: [1, 2] });
    const result = [1];
    const twice = await cache.prepare({ task: twoRuns, args: [] });
    const committed = twice.commit(result);
    result.push(2);
    await committed;
    assertEquals(await twoRuns(), [1]);
  }));

Deno.test("whoever asks for a prepared call waits until it is committed", () =>
  withCaches(async (cache) => {
    runs = 0;
    const prepared = await cache.prepare({ task: count, args: [9] });
    // Two that prepare the same do not wait for one another.
    await using _second = await cache.prepare({ task: count, args: [9] });
    const waiting = count(9);
    // What cannot be taken over is no result, and leaves nobody waiting.
    const unreadable = {
      n: 9,
      get run(): number {
        throw new RangeError("no run");
      },
    };
    await assertRejects(() => prepared.commit(unreadable), RangeError, "no run");
    await prepared.commit({ n: 9, run: 70 });
    assertEquals([await waiting, waiting.hit, runs], [{ n: 9, run: 70 }, true, 0]);
  }));

Deno.test("Cache.prepare() refuses what is no call", async () => {
  const cache = createMemoryCache();
  const wrong: unknown[] = [undefined, {}, { task: count }, { task: () => {}, args: [] }];
  for (const call of wrong) {
    await assertRejects(() => cache.prepare(call as never), TypeError, "`{ task, args }`");
  }
  const call = { task: count, args: [1] } as const;
  await assertRejects(() => readOnly(cache).prepare(call), TypeError, "read-only");
});
