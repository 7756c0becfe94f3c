// contract: what limits and collections of garbage do, for every kind of cache and mixes of them
import { assert, assertEquals, assertGreater, assertRejects, assertThrows } from "@std/assert";
import { type Cache, cacheScope, createMemoryCache } from "@quiver/quiver";
import {
  limited,
  mix,
  openFileCache,
  readOnly,
  stack,
  union,
  voidCache,
} from "@quiver/quiver/caches";
import { fill, KINDS, type OpenCache, share, SHARED } from "./testdata/forgetting_kinds.ts";

const WRITER = new URL("./testdata/forgetting_writer.ts", import.meta.url).pathname;

/** A process that makes calls. */
function startWriter(...args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", "--allow-write", WRITER, ...args],
    stdout: "null",
  }).spawn();
}

async function inDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await run(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function testKinds(
  kinds: { readonly [kind: string]: OpenCache },
  toName: (kind: string) => string,
  fn: (context: { kind: string; open: OpenCache; directory: string }) => Promise<void>,
): void {
  for (const [kind, open] of Object.entries(kinds)) {
    Deno.test(toName(kind), () => inDirectory((directory) => fn({ kind, open, directory })));
  }
}

async function count(cache: Cache): Promise<number> {
  return (await Array.fromAsync(cache.records())).length;
}

function call(cache: Cache, numbers: readonly number[], size = 10): Promise<void> {
  return cacheScope({ cache }, async () => {
    for (const n of numbers) await fill(n, size);
  });
}

function known(cache: Cache, numbers: readonly number[], size = 10): Promise<boolean[]> {
  return cacheScope({ cache }, () => Promise.all(numbers.map((n) => fill.contains(n, size))));
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n);

testKinds(KINDS, (kind) => `limited() of ${kind} holds after each call`, async (context) => {
  await using opened = await context.open(context.directory);
  const { cache } = opened;
  await call(cache, range(0, 6));
  const few = limited(cache, { maxItems: 4 });
  await call(few, range(6, 20));
  assertEquals(await count(cache), 4);
  assertEquals(await known(cache, [0, 15, 16, 17, 18, 19]), [
    false,
    false,
    true,
    true,
    true,
    true,
  ]);
  // Used, and so not the next to go.
  await call(few, [16, 20]);
  assertEquals(await known(cache, [16, 17, 20]), [true, false, true]);
  const small = limited(cache, { maxBytes: 30_000 });
  await call(small, range(0, 6), 9000);
  assertEquals(await known(cache, range(0, 6), 9000), [false, false, false, true, true, true]);
  assertEquals((await Array.fromAsync(cache.records())).length, 3);
  // Larger than all there may be: computed, and not remembered.
  await call(small, [7], 40_000);
  assertEquals(await count(cache), 0);
});

testKinds(KINDS, (kind) => `limited() of ${kind} forgets by age`, async (context) => {
  await using opened = await context.open(context.directory);
  const { cache } = opened;
  await call(cache, [1, 2]);
  for (const record of await Array.fromAsync(cache.records())) {
    await cache.putRecord({ ...record, started: Date.now() - 100_000 });
  }
  await call(cache, [3]);
  const young = limited(cache, { maxAge: 50_000 });
  assertEquals(await known(young, [1, 2, 3]), [false, false, true]);
  await call(young, [4]);
  assertEquals(await known(cache, [1, 2, 3, 4]), [false, false, true, true]);
});

testKinds(SHARED, (kind) => `limited() of ${kind} follows what others do`, async (context) => {
  const { kind, open, directory } = context;
  {
    await using opened = await open(directory);
    const { cache } = opened;
    await using other = await open(directory);
    const [first, second] = [cache, other.cache].map((one) => limited(one, { maxItems: 4 }));
    assert(first !== undefined && second !== undefined);
    for (const n of range(0, 12)) await call(n % 2 === 0 ? first : second, [n]);
    assertEquals(await count(cache), 4);
    // What others forget makes room, and what they store takes it.
    await other.cache.evict({});
    await call(other.cache, [50, 51, 52]);
    await call(first, [53]);
    assertEquals(await known(cache, [50, 51, 52, 53]), [true, true, true, true]);
    await call(second, [54]);
    assertEquals(await known(cache, [50, 51, 52, 53, 54]), [false, true, true, true, true]);
    const children = [startWriter(kind, directory, "20", '{"maxItems":4}')];
    for (let n = 100; n < 130; n++) await call(first, [n]);
    for (const child of children) assertEquals((await child.status).code, 0);
    await call(first, [200]);
    // Two that evict at once may evict one more each.
    const left = await count(cache);
    assert(left <= 4 && left >= 2, `${left} are left`);
  }
  await using again = await open(directory);
  await call(limited(again.cache, { maxItems: 3 }), [300]);
  assertEquals(await count(again.cache), 3);
  assertEquals(await known(again.cache, [200, 300]), [true, true]);
});

testKinds(KINDS, (kind) => `Cache.gc() of ${kind} drops what no call needs`, async (context) => {
  await using opened = await context.open(context.directory);
  const { cache } = opened;
  const block = new Uint8Array(20_000).fill(7);
  assertEquals(await cache.gc({ gracePeriod: 0 }), { values: 0, bytes: 0 });
  await cacheScope({ cache }, async () => {
    for (const n of [1, 2]) await share(n, block);
    await fill(1, 30_000);
    const orphan = await cache.putValue({ lonely: new Uint8Array(9000) });
    assertEquals(await cache.gc(), { values: 0, bytes: 0 }, "everything is young");
    assertEquals(await cache.evict(await share.digest(1, block)), true);
    assertEquals(await cache.evict(fill), 1);
    const { values, bytes } = await cache.gc({ gracePeriod: 0 });
    assertGreater(values, 4);
    assertGreater(bytes, 39_000);
    assertEquals((await cache.value(orphan)).hit, false);
    assertEquals((await share.load(2, block)).block, block);
    for await (const { result, args } of cache.records()) {
      for (const digest of [result, ...args.map(({ value }) => value)]) {
        assert(digest !== undefined && (await cache.value(digest)).hit);
      }
    }
    assertEquals((await fill(1, 30_000)).bytes.length, 30_000, "what is gone is computed again");
    assertEquals(await fill.contains(1, 30_000), true);
  });
});

testKinds(KINDS, (kind) => `Cache.gc() of ${kind} loses nothing in flight`, async (context) => {
  await using opened = await context.open(context.directory);
  const { cache } = opened;
  await cacheScope({ cache }, async () => {
    const block = new Uint8Array(8000).fill(3);
    // Known before, and wanted by nobody when it is put again.
    await share(0, block);
    await cache.evict(share);
    const leases = await Promise.all(
      range(0, 8).map((n) => {
        return Promise.all([
          share(n, block),
          n % 2 === 0 ? cache.gc({ gracePeriod: 0 }) : undefined,
        ]);
      }),
    );
    assertEquals(leases.length, 8);
    for (const n of range(0, 8)) assertEquals((await share.load(n, block)).block, block);
    for (const { args } of await Array.fromAsync(cache.records())) {
      for (const { value } of args) {
        assert(value !== undefined && (await cache.value(value)).hit, "an argument is there");
      }
    }
  });
});

testKinds(SHARED, (kind) => `Cache.gc() of ${kind} is safe beside writers`, async (context) => {
  const { kind, open, directory } = context;
  await using opened = await open(directory);
  const { cache } = opened;
  const child = startWriter(kind, directory, "150");
  let running = true;
  const ended = child.status.finally(() => running = false);
  let dropped = 0;
  // What is forgotten leaves values that the writer puts again.
  const forget = async () => {
    const records = await Array.fromAsync(cache.records());
    for (const { key } of records.filter((_, n) => n % 2 === 0)) await cache.evict(key);
    dropped += (await cache.gc({ gracePeriod: 0 })).values;
  };
  while (running) await forget();
  assertEquals((await ended).code, 0);
  // What lies in the journal of a bag's writer stays until the writer has let go of it.
  await forget();
  assertGreater(dropped, 0);
  let records = 0;
  for await (const { result, args } of cache.records()) {
    records++;
    for (const digest of [result, ...args.map(({ value }) => value)]) {
      assert(digest !== undefined && (await cache.value(digest)).hit, `${digest} is there`);
    }
  }
  assertGreater(records, 0);
});

Deno.test("limited() refuses what it could not hold", () =>
  inDirectory(async (directory) => {
    await using files = await openFileCache(directory);
    const memory = createMemoryCache();
    for (const limits of [{ maxItems: 4 }, { maxBytes: 1000 }]) {
      const refuse = (cache: Cache, state: string) =>
        assertThrows(() => limited(cache, limits), TypeError, `Cannot limit this cache: ${state}`);
      for (const cache of [readOnly(memory), union(memory, files)]) {
        refuse(
          cache,
          "it is read-only, so nothing can be forgotten; only `maxAge` can be set for it",
        );
      }
      refuse(stack(memory, readOnly(files)), "a cache beneath it is read-only");
      refuse(stack(stack(memory, union(files)), memory), "a cache beneath it is read-only");
      refuse(mix({ values: memory, calls: readOnly(files) }), "it is read-only");
      // The remedy.
      stack(limited(memory, limits), readOnly(files));
      limited(voidCache, limits);
    }
    await call(files, [1]);
    for (const record of await Array.fromAsync(files.records())) {
      await files.putRecord({ ...record, started: Date.now() - 100_000 });
    }
    assertEquals(await known(limited(readOnly(files), { maxAge: 1000 }), [1]), [false]);
    await assertRejects(() => union(files).gc(), TypeError, "it is read-only");
  }));
