// End-to-end: parts of values, out of any kind of cache.
import { assertEquals, assertRejects } from "@std/assert";
import { type Cache, CacheMissError, createMemoryCache, openBag } from "@quiver/quiver";
import {
  limited,
  mix,
  openFileCache,
  openSqliteCache,
  readOnly,
  stack,
  union,
  voidCache,
} from "@quiver/quiver/caches";
import { TemporaryDirectory } from "../bag/_temporary_directory.ts";

const VALUE = {
  grid: { data: Float64Array.from({ length: 6000 }, (_, i) => i), shape: [60, 100] },
  small: Int8Array.of(1, 2, 3),
  "a/b": [{ deep: "text" }],
};

/** Each kind of cache, and where a value is to be put that it then has. */
const KINDS: {
  readonly [name: string]: (
    open: (cache: Cache & AsyncDisposable) => Cache,
    path: string,
  ) => Promise<
    readonly [cache: Cache, into: Cache]
  >;
} = {
  memory: () => {
    const cache = createMemoryCache();
    return Promise.resolve([cache, cache]);
  },
  bag: async (open, path) => {
    const bag = open(await openBag(path, { fold: "manual" }));
    return [bag, bag];
  },
  "signed bag": async (open, path) => {
    const bag = open(await openBag(path, { fold: "manual", signingKey: "k".repeat(32) }));
    return [bag, bag];
  },
  files: async (open, path) => {
    const cache = open(await openFileCache(path));
    return [cache, cache];
  },
  SQLite: async (open, path) => {
    const cache = open(await openSqliteCache(`${path}.db`));
    return [cache, cache];
  },
  "stack over a bag": async (open, path) => {
    const bag = open(await openBag(path, { fold: "manual" }));
    return [stack(createMemoryCache(), readOnly(bag)), bag];
  },
  "union of a bag and files": async (open, path) => {
    const bag = open(await openBag(path, { fold: "manual" }));
    const files = open(await openFileCache(`${path}.files`));
    return [union(bag, files), files];
  },
  "limited stack": async (open, path) => {
    const bag = open(await openBag(path, { fold: "manual" }));
    return [limited(stack(bag, createMemoryCache()), { maxItems: 10 }), bag];
  },
  "mixed": async (open, path) => {
    const bag = open(await openBag(path, { fold: "manual" }));
    return [mix({ values: bag, calls: createMemoryCache() }), bag];
  },
};

for (const [name, create] of Object.entries(KINDS)) {
  Deno.test(`Cache.read() and slice() give parts of a value (${name})`, async () => {
    using directory = new TemporaryDirectory();
    await using opened = new AsyncDisposableStack();
    const [cache, into] = await create((one) => opened.use(one), `${directory.path}/cache`);
    const digest = await into.putValue(VALUE);
    const grid = await into.putValue(VALUE.grid);
    assertEquals(await cache.read(digest), VALUE);
    assertEquals(await cache.read(digest, "a~1b/0/deep"), "text");
    assertEquals(await cache.read(digest, "grid/data/17"), 17);
    const part = { data: Float64Array.of(205, 206, 305, 306), shape: [2, 2] };
    assertEquals(await cache.slice(grid, [[2, 4], [5, 7]]), part);
    assertEquals(await cache.slice({ digest, path: "grid" }, [[2, 4], [5, 7]]), part);
    assertEquals(await cache.slice({ digest, path: "small" }, [[1, 3]]), Int8Array.of(2, 3));
    await assertRejects(() => cache.read(digest, "none"), RangeError, '"none"');
    await assertRejects(() => cache.slice(digest, []), TypeError, "only typed arrays");
    const missing = "a".repeat(64);
    await assertRejects(() => cache.read(missing), CacheMissError, missing);
    await assertRejects(() => cache.slice(missing, []), CacheMissError, missing);
  });
}

Deno.test("Cache.read() of the cache that remembers nothing is a miss", async () => {
  const digest = await createMemoryCache().putValue(VALUE);
  await assertRejects(() => voidCache.read(digest), CacheMissError, "is not in the bag or cache");
});
