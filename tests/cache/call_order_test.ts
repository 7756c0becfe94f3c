// contract: which call ended first and which last, in caches of every kind, whatever the clock says
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Cache, cacheScope, createMemoryCache, Executor, openBag, task } from "@quiver/quiver";
import { limited, openFileCache, openSqliteCache, query } from "@quiver/quiver/caches";

const number = task(import.meta, (n: number) => n, { name: "number in order" });
const later = task(import.meta, async (n: number) => (await Promise.resolve(), n), {
  name: "later in order",
});

async function withCaches(run: (cache: Cache) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempDir();
  {
    await using bag = await openBag(`${path}/bag`, { fold: "manual" });
    await using files = await openFileCache(`${path}/files`);
    await using database = await openSqliteCache(`${path}/database`);
    for (const cache of [createMemoryCache(), bag, files, database]) {
      await cacheScope({ cache }, () => run(cache));
    }
  }
  await Deno.remove(path, { recursive: true });
}

async function endOf(cache: Cache, n: number): Promise<number> {
  const record = await cache.record(await number.digest(n));
  assert(record !== undefined);
  return record.started + record.duration;
}

/** Runs something while the wall clock says something else. */
async function withClock(now: () => number, run: () => Promise<void>): Promise<void> {
  const { now: real } = Date;
  Date.now = now;
  try {
    await run();
  } finally {
    Date.now = real;
  }
}

// fleche 47
Deno.test("latest() and oldest() are right for calls that end within one millisecond", () =>
  withCaches(async (cache) => {
    for (let n = 0; n < 50; n++) {
      await number(n);
      if (n % 2 === 0) await later(n);
      const [last, latest, oldest] = [
        await (n % 2 === 0 ? later : number).digest(n),
        await query(cache).latest(),
        await query(cache).oldest(),
      ];
      assertEquals([latest?.key, oldest?.key], [last, await number.digest(0)]);
    }
    const ends = await Array.fromAsync(query(cache), ({ started, duration }) => started + duration);
    assertEquals(new Set(ends).size, 75);
  }));

Deno.test("latest() is right while the wall clock stands, steps and runs backwards", () =>
  withCaches(async (cache) => {
    const start = Date.now();
    let reads = 0;
    const clocks = [
      () => start,
      () => start + 3_600_000,
      () => start - 3_600_000,
      () => start - reads++,
      () => start + (reads++ % 2) * 1000,
      () => 0,
    ];
    let n = 0;
    for (const clock of clocks) {
      await withClock(clock, async () => {
        for (let calls = 0; calls < 10; calls++) {
          await number(++n);
          assertEquals((await query(cache).latest())?.key, await number.digest(n));
        }
      });
    }
    assertEquals((await query(cache).oldest())?.key, await number.digest(1));
  }));

Deno.test("records say when a call ended by the wall clock, also after it was set forward", async () => {
  const cache = createMemoryCache();
  await cacheScope({ cache }, async () => {
    const start = Date.now();
    // Far enough for what other tests have made of the clock of this isolate.
    const forward = start + 100_000_000;
    await withClock(() => forward, async () => {
      await number(1);
      const end = await endOf(cache, 1);
      assert(end >= forward && end < forward + 1, `${end - forward}`);
    });
    await withClock(() => forward + 1000, async () => {
      await number(2);
      assert(await endOf(cache, 2) >= forward + 1000);
    });
    // Set back, it is waited for: the next call ends right behind the last one.
    await number(3);
    const gap = await endOf(cache, 3) - await endOf(cache, 2);
    assert(gap > 0 && gap < 1, `${gap}`);
    // It ended today all the same.
    const tomorrow = start + 86_400_000;
    assertEquals(await query(cache, { before: tomorrow }).count(), 1);
    assertEquals(await query(cache, { after: tomorrow }).count(), 2);
    assertStringIncludes(
      `${await number.explain(4)}`,
      ` of ${new Date(start).toISOString().slice(0, 10)}`,
    );
    const young = limited(cache, { maxAge: 60_000 });
    assertEquals(await young.record(await number.digest(3)) !== undefined, true);
  });
});

for (const workerType of ["web", "process"] as const) {
  Deno.test(`latest() is right for calls that ${workerType} workers take in turns`, async () => {
    const path = await Deno.makeTempDir();
    {
      await using bag = await openBag(`${path}/bag`, { fold: "manual" });
      await using executor = new Executor({ workerType, maxWorkers: 2 });
      await cacheScope({ cache: bag }, async () => {
        await Promise.all([executor.submit(number, -1), executor.submit(number, -2)]);
        for (let n = 0; n < 40; n++) {
          await executor.submit(number, n);
          assertEquals((await query(bag).latest())?.key, await number.digest(n));
        }
      });
    }
    await Deno.remove(path, { recursive: true });
  });
}

// The last one of this file: the clock of this isolate waits for the year that it was told.
Deno.test("latest() is right after the wall clock has said the last day that there is", () =>
  withCaches(async (cache) => {
    for (const clock of [() => 8.64e15, Date.now]) {
      await withClock(clock, async () => {
        for (let n = 0; n < 10; n++) {
          await later(n);
          await later.evict(n);
          await later(n);
          assertEquals((await query(cache).latest())?.key, await later.digest(n));
        }
      });
    }
  }));
