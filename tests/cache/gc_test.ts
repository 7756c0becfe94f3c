// end-to-end: eviction and garbage collection of caches, through tasks
import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { cacheScope, createMemoryCache, openBag, task } from "@quiver/quiver";
import { Cache } from "../../src/cache/cache.ts";
import { createMemoryStores } from "../../src/store/memory_stores.ts";
import { untilLater, withEveryCache } from "./_every_cache.ts";

const fill = task(import.meta, (n: number, size: number) => new Float64Array(size).fill(n), {
  name: "gc fill",
});
const pack = task(import.meta, (n: number, block: Float64Array) => ({ n, block, own: [n] }), {
  name: "gc pack",
});
const double = task(import.meta, (n: number) => 2 * n, { name: "gc double", version: 1 });

async function measure(path: string): Promise<number> {
  let bytes = 0;
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    bytes += isDirectory
      ? await measure(`${path}/${name}`)
      : (await Deno.stat(`${path}/${name}`)).size;
  }
  return bytes;
}

// fleche 42
Deno.test("Cache.gc() of an empty cache drops nothing", () =>
  withEveryCache(async (cache) => {
    assertEquals(await cache.gc(), { values: 0, bytes: 0 });
    assertEquals(await cache.gc({ gracePeriod: 0 }), { values: 0, bytes: 0 });
  }));

// fleche 42
Deno.test("Cache.gc() keeps arguments and results of remembered calls", () =>
  withEveryCache((cache) =>
    cacheScope({ cache }, async () => {
      await pack(1, await fill(1, 1000));
      assertEquals(await cache.gc({ gracePeriod: 0 }), { values: 0, bytes: 0 });
      const loaded = await pack.load(1, new Float64Array(1000).fill(1));
      assertEquals(loaded.block[999], 1);
      for await (const { result, args } of cache.records()) {
        for (const digest of [result, ...args.map(({ value }) => value)]) {
          assert(digest !== undefined && (await cache.value(digest)).hit);
        }
      }
    })
  ));

// fleche 42
Deno.test("Cache.gc() drops what no call needs, and keeps the part that a live call shares", () =>
  withEveryCache((cache) =>
    cacheScope({ cache }, async () => {
      const block = await fill(2, 1000);
      await pack(1, block);
      await pack(2, block);
      const orphan = await cache.putValue({ lonely: new Uint8Array(9000), deep: [[{ x: 1 }]] });
      assertEquals((await cache.gc()).values, 0, "everything is young");
      assertEquals(await cache.evict(await pack.digest(1, block)), true);
      await untilLater();
      // The orphan with its part, the result of the call; the block is shared, and 1 is not: it is
      // an argument of this call only, as are no others.
      const { values, bytes } = await cache.gc({ gracePeriod: 0 });
      assertEquals(values, 4);
      assertGreater(bytes, 9000);
      assertEquals((await cache.value(orphan)).hit, false);
      assertEquals(await pack.contains(1, block), false);
      assertEquals((await pack.load(2, block)).block, block);
      assertEquals(await cache.evict({}), 2);
      await untilLater();
      // In a bag the block stays for a moment, as it was put a second time just now.
      assertGreater((await cache.gc({ gracePeriod: 0 })).values, 1);
      assertEquals(await Array.fromAsync(cache.records()), []);
      assertEquals((await fill(2, 1000)).length, 1000, "what is gone is computed again");
      assertEquals(await fill.contains(2, 1000), true);
    })
  ));

Deno.test("Cache.evict() forgets the calls that match a template", () =>
  withEveryCache(async (cache) => {
    await cacheScope({ cache, tags: { run: 1 } }, async () => {
      for (const n of [1, 2, 3]) await double(n);
      await cacheScope({ tags: { draft: true } }, () => double(4));
    });
    await cacheScope({ cache }, () => fill(1, 1));
    assertEquals(await cache.evict({ tags: { run: 2 } }), 0);
    assertEquals(await cache.evict({ task: double, tags: { run: 1, draft: true } }), 1);
    assertEquals(await cache.evict({ version: 2 }), 0);
    assertEquals(await cache.evict({ after: Date.now() + 60_000 }), 0);
    assertEquals(await cache.evict(double), 3);
    assertEquals(await cache.evict({ before: Date.now() + 60_000 }), 1);
    assertEquals(await cache.evict({}), 0);
  }));

Deno.test("Cache.gc() loses nothing of a call that is in flight", () =>
  withEveryCache(async (cache) => {
    const started = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    const name = `gc slow ${crypto.randomUUID()}`;
    const slow = task(import.meta, async (block: Float64Array) => {
      started.resolve();
      await ended.promise;
      return { sum: block.length };
    }, { name });
    await cacheScope({ cache }, async () => {
      // Known before, and wanted by nobody when the call puts it again.
      const block = await fill(3, 2000);
      await cache.evict(fill);
      const running = slow(block);
      await started.promise;
      await cache.gc({ gracePeriod: 0 });
      ended.resolve();
      assertEquals(await running, { sum: 2000 });
      const record = await cache.record(await slow.digest(block));
      const digest = record?.args[0]?.value;
      assert(digest !== undefined);
      assertEquals((await cache.value(digest)).hit, true);
      assertEquals(await slow.contains(block), true);
    });
  }));

Deno.test("Bag.gc() and Bag.compact() give space back", async () => {
  const path = await Deno.makeTempDir();
  {
    await using bag = await openBag(path);
    await cacheScope({ cache: bag }, async () => {
      for (let n = 0; n < 10; n++) await fill(n, 100_000);
      await bag.fold();
      const before = await measure(path);
      assertGreater(before, 8_000_000);
      for (let n = 0; n < 9; n++) await bag.evict(await fill.digest(n, 100_000));
      assertEquals(await bag.gc({ gracePeriod: 0 }), { values: 18, bytes: 9 * 800_000 + 9 });
      assertGreater(900_000, await measure(path));
      assertEquals(await bag.evict(fill), 1);
      await bag.compact({ gracePeriod: 0 });
      assertGreater(100_000, await measure(path));
      assertEquals((await Deno.stat(`${path}/calls.jsonl`)).size, 0);
      assertEquals((await fill(1, 100_000)).length, 100_000);
    });
  }
  await using bag = await openBag(path, { mode: "read" });
  await cacheScope({ cache: bag }, async () => {
    assertEquals((await fill.load(1, 100_000))[5], 1);
  });
  await Deno.remove(path, { recursive: true });
});

// fleche 46
Deno.test("Bag.records() gives all but a damaged record, and gc() keeps what those need", async () => {
  const path = await Deno.makeTempDir();
  {
    await using bag = await openBag(path);
    await cacheScope({ cache: bag }, async () => {
      for (let n = 0; n < 5; n++) await fill(n, 1000);
    });
  }
  const log = Deno.readTextFileSync(`${path}/calls.jsonl`);
  const lines = log.split("\n").filter((line) => line !== "");
  const [, , third = ""] = lines.filter((line) => line.startsWith('{"call":'));
  const damaged = third.replace('"result":', '"resalt":');
  Deno.writeTextFileSync(`${path}/calls.jsonl`, log.replace(third, damaged));
  {
    await using bag = await openBag(path);
    assertEquals((await Array.fromAsync(bag.records())).length, 4);
    assertEquals((await bag.gc({ gracePeriod: 0 })).values, 2);
    await cacheScope({ cache: bag }, async () => {
      const known = await Promise.all([0, 1, 2, 3, 4].map((n) => fill.contains(n, 1000)));
      assertEquals(known, [true, true, false, true, true]);
    });
  }
  await Deno.remove(path, { recursive: true });
});

Deno.test("Cache.gc() rejects what it cannot do", async () => {
  const { sweeper: _, ...stores } = createMemoryStores();
  await assertRejects(() => new Cache(stores).gc(), TypeError, "its store cannot drop values");
  await assertRejects(
    () => createMemoryCache().gc({ gracePeriod: -1 }),
    RangeError,
    "`gracePeriod`",
  );
  const path = await Deno.makeTempDir();
  await (await openBag(path)).close();
  {
    await using bag = await openBag(path, { mode: "read" });
    await assertRejects(() => bag.gc(), TypeError, "it is read-only");
  }
  await Deno.remove(path, { recursive: true });
});
