// End-to-end: caches that remember nothing, caches that are mixed, and what caches count.
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { cacheScope, createMemoryCache, currentScope, Executor, openBag, task } from "../../mod.ts";
import { mix, openFileCache, openSqliteCache, voidCache } from "../../src/caches.ts";

let runs = 0;
const count = task(import.meta, function count(n: number): number {
  runs++;
  return n;
}, { name: "count" });

function counted(): number {
  const before = runs;
  runs = 0;
  return before;
}

async function inDirectory(fn: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempDir();
  try {
    await fn(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

Deno.test("voidCache runs every call, those at the same time too, and warns of nothing", async () => {
  counted();
  await using executor = new Executor({ workerType: "inline" });
  await cacheScope({ cache: voidCache, strict: true }, async () => {
    assertStrictEquals(currentScope().cache, voidCache);
    await Promise.all([count(1), count(1), executor.submit(count, 1)]);
    await count(1);
    const call = executor.submit(count, 1);
    await call;
    assertEquals(call.hit, false);
  });
  assertEquals(counted(), 5);
});

// fleche 25
Deno.test("voidCache inside a scope with a cache, and each exit gives the outer one back", async () => {
  counted();
  const [outer, inner] = [createMemoryCache(), createMemoryCache()];
  await cacheScope({ cache: outer }, async () => {
    await count(1);
    await cacheScope({ cache: inner }, async () => {
      await count(2);
      await cacheScope({ cache: voidCache }, () => count(2));
      await count(2);
    });
    await count(1);
  });
  assertEquals(counted(), 3);
  for (const cache of [outer, inner]) {
    assertEquals((await Array.fromAsync(cache.records())).length, 1);
  }
});

Deno.test("voidCache keeps nothing that is put, and gives every lease", async () => {
  const digest = await voidCache.putValue({ a: 1 });
  assertEquals(await voidCache.value(digest), { hit: false });
  assertEquals([await voidCache.lookup(digest), await voidCache.record(digest)], [
    { hit: false },
    undefined,
  ]);
  assertEquals(await voidCache.evict(digest), false);
  assertEquals(await Array.fromAsync(voidCache.records()), []);
  assertEquals([voidCache.description, voidCache.readOnly], [undefined, false]);
  using first = voidCache.stores.leases.tryAcquire(digest);
  using second = voidCache.stores.leases.tryAcquire(digest);
  assert(first !== undefined && second !== undefined);
  await voidCache.stores.leases.changed(digest);
});

Deno.test("Cache.statistics() counts a call once, however often it was looked up", async () => {
  counted();
  const cache = createMemoryCache();
  await cacheScope({ cache }, async () => {
    await Promise.all([count(1), count(1), count(1)]);
    await count(2);
    await count(2);
    await count.load(2);
    await count.contains(3);
  });
  assertEquals(counted(), 2);
  assertEquals(cache.statistics(), {
    hits: 3,
    misses: 2,
    rejectedSignatures: 0,
    rejectedValues: 0,
  });
});

Deno.test("Bag.statistics() tells segments, journals, values and bytes", () =>
  inDirectory(async (path) => {
    await using bag = await openBag(path, { fold: "manual", signingKey: "a key of this bag" });
    const nothing = { segments: 0, journals: 0, sealedValues: 0, bytes: 0 };
    assertEquals(bag.statistics().storage, nothing);
    await bag.putValue(new Uint8Array(10_000));
    await bag.putValue("small");
    const { journals, bytes = 0, ...rest } = bag.statistics().storage ?? {};
    assertEquals([journals, rest], [1, { segments: 0, sealedValues: 0 }]);
    assert(bytes > 10_000 && bytes < 10_300, `${bytes}`);
    await bag.fold();
    const sealed = { segments: 1, journals: 0, sealedValues: 2, bytes: 10_006 };
    assertEquals(bag.statistics().storage, sealed);
  }));

Deno.test("Cache.description of a signed or mixed cache never shows the key", () =>
  inDirectory(async (path) => {
    const signingKey = "a key for no eyes";
    await using files = await openFileCache(`${path}/files`, { signingKey });
    await using sqlite = await openSqliteCache(`${path}/calls.db`, { signingKey });
    const options = {};
    assertEquals<unknown>(files.description, { type: "files", path: `${path}/files`, options });
    assertEquals<unknown>(mix({ values: files, calls: sqlite }).description, {
      type: "mixed",
      values: { type: "files", path: `${path}/files`, options },
      calls: { type: "sqlite", path: `${path}/calls.db`, options },
    });
    assertEquals(mix({ values: files, calls: createMemoryCache() }).description, undefined);
  }));
