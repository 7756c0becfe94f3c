// end-to-end: views of caches that show some calls, or only new ones, through tasks and workers
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Cache, cacheScope, createMemoryCache, Executor, openBag, task } from "@quiver/quiver";
import {
  filtered,
  type Json,
  openSqliteCache,
  query,
  refreshing,
  stack,
  where,
} from "@quiver/quiver/caches";
import { FakeClock } from "@quiver/quiver/testing";
import { TemporaryDirectory } from "../bag/_temporary_directory.ts";
import { read, twice } from "./testdata/view_tasks.ts";

const local = task(import.meta, (n: number) => ({ n, grid: new Float64Array(1000).fill(n) }), {
  name: "viewed",
});

async function call(cache: Cache, run: string, ...numbers: readonly number[]): Promise<void> {
  await cacheScope({ cache, tags: { run } }, () => Promise.all(numbers.map((n) => local(n))));
}

function known(cache: Cache, ...numbers: readonly number[]): Promise<boolean[]> {
  return Promise.all(numbers.map(async (n) => await cache.contains(await local.digest(n))));
}

Deno.test("filtered() shows what matches, live, and changes nothing", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBag(`${directory.path}/bag`);
  await using database = await openSqliteCache(`${directory.path}/calls.sqlite`);
  for (const cache of [createMemoryCache(), bag, database, stack(createMemoryCache(), bag)]) {
    const view = filtered(cache, { tags: { run: "friday" } });
    await call(cache, "friday", 1);
    await cache.evict(local);
    assertEquals(await known(view, 1, 2), [false, false]);
    for (const shown of [view, refreshing(cache)]) {
      const [reason] = (await cacheScope({ cache: shown }, () => local.explain(1))).reasons;
      assertEquals(reason?.kind, "evicted");
    }
    await call(cache, "thursday", 1);
    await call(cache, "friday", 2);
    assertEquals(await known(view, 1, 2), [false, true]);
    assertEquals(await query(view).count(), 1);
    assertEquals(await cacheScope({ cache: view }, () => local.load(2)), await local(2));
    await assertRejects(() => view.evict(local), TypeError, "it is read-only");
    await cache.evict(await local.digest(2));
    assertEquals(await known(view, 1, 2), [false, false]);
    await assertRejects(() => view.gc(), TypeError, "it is read-only");
    assertEquals(await known(cache, 1, 2), [true, false]);
  }
});

Deno.test("filtered() takes a task, a template or a function, and views of views", async () => {
  const cache = createMemoryCache();
  await call(cache, "friday", 1, 2);
  const views = [
    filtered(cache, local),
    filtered(cache, { task: local, tags: { run: "friday" } }),
    filtered(cache, ({ task }) => task === "viewed"),
    filtered(filtered(cache, local), { tags: { run: "friday" } }),
  ];
  for (const view of views) assertEquals(await known(view, 1, 2, 3), [true, true, false]);
  assertEquals(await known(filtered(cache, { task: "other" }), 1), [false]);
  // @ts-expect-error: a caller without types.
  assertThrows(() => filtered(cache, { tag: 1 }), TypeError, '"tag" is no field');
  // @ts-expect-error: a caller without types.
  assertThrows(() => filtered("results.bag", local), TypeError, "must be a cache");
});

for (const workerType of ["inline", "web", "process"] as const) {
  Deno.test(`${workerType}: filtered() and refreshing() travel to nested calls`, async () => {
    using directory = new TemporaryDirectory();
    const file = `${directory.path}/number`;
    await using bag = await openBag(`${directory.path}/bag`);
    await using executor = new Executor({ maxWorkers: 2, workerType });
    const ask = (cache: Cache) =>
      cacheScope({ cache, onWarning: () => {} }, async () => {
        const [one, other] = await Promise.all(
          [twice, twice].map((task) => executor.submit(task, file)),
        );
        assertEquals(one, other);
        return one;
      });
    const write = (number: number) => Deno.writeTextFileSync(file, `${number}`);
    write(1);
    assertEquals(await ask(bag), 2);
    write(2);
    assertEquals(await ask(bag), 2);
    // The call itself is not shown, and the nested one is.
    assertEquals(await ask(filtered(bag, read)), 2);
    assertEquals(await ask(filtered(bag, { task: "none" })), 4);
    assertEquals(await ask(bag), 2);
    assertEquals(await ask(refreshing(bag)), 4);
    assertEquals([await ask(bag), await query(bag).count()], [4, 2]);
    write(3);
    assertEquals(await ask(bag), 4);
  });
}

Deno.test("refreshing() computes each call once, and keeps what it does not ask for", async () => {
  let runs = 0;
  const counted = task(
    import.meta,
    (n: number) => ({ n, run: ++runs, grid: new Float64Array(900) }),
    {
      name: "counted",
    },
  );
  using directory = new TemporaryDirectory();
  await using bag = await openBag(`${directory.path}/bag`);
  for (const cache of [createMemoryCache(), bag]) {
    runs = 0;
    const run = (cache: Cache, n: number) =>
      cacheScope({ cache }, async () => (await counted(n)).run);
    assertEquals([await run(cache, 1), await run(cache, 2)], [1, 2]);
    const view = refreshing(cache);
    assertEquals(await view.contains(await counted.digest(1)), false);
    const results = await Promise.all([run(view, 1), run(view, 1)]);
    assertEquals([...results, await run(view, 1)], [3, 3, 3]);
    assertEquals([await run(cache, 1), await run(cache, 2), await run(cache, 2)], [3, 2, 2]);
    await view.gc({ gracePeriod: 0 });
    assertEquals([await run(cache, 1), await run(cache, 2)], [3, 2]);
    assertEquals(await query(view).count(), 1);
    assertEquals(await view.evict(counted), 1);
    assertEquals(await query(cache).count(), 1);
    // A new view trusts nothing of the one before, however fast they follow one another.
    for (let i = 0; i < 20; i++) {
      const before = runs;
      assertEquals(await run(refreshing(cache), 1), before + 1);
    }
  }
});

Deno.test("refreshing() does not trust what was computed by a clock that was ahead", async () => {
  const cache = createMemoryCache();
  {
    using clock = new FakeClock();
    clock.advance(3_600_000);
    await call(cache, "ahead", 1);
  }
  assert((await known(cache, 1))[0]);
  const view = refreshing(cache);
  assertEquals(await known(view, 1), [false]);
  // What is computed now is new, though its record comes behind that one.
  await call(view, "now", 2);
  assertEquals(await known(view, 2), [true]);
});

Deno.test("filtered() by a condition does not travel as another one", async () => {
  const path = await Deno.makeTempDir();
  {
    await using cache = await openSqliteCache(`${path}/calls.db`);
    assert(filtered(cache, { tags: { run: 1 } }).description !== undefined);
    for (const run of [where.above(1), where.present, (run: Json) => run === 1]) {
      const view = filtered(cache, { tags: { run } });
      assertEquals(view.description, undefined);
      assertEquals(await query(view).count(), 0);
    }
  }
  await Deno.remove(path, { recursive: true });
});
