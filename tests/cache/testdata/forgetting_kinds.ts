// The kinds of caches that forget, and tasks whose calls they remember.
import { type Cache, createMemoryCache, openBag, task } from "@quiver/quiver";
import { mix, openFileCache, openSqliteCache, stack } from "@quiver/quiver/caches";

/** A cache that is open. */
export interface OpenKind extends AsyncDisposable {
  readonly cache: Cache;
}

/** Opens a kind of cache below a directory. */
export type OpenCache = (directory: string) => Promise<OpenKind>;

/** One cache on disk. */
function openOne(open: (path: string) => Promise<Cache & AsyncDisposable>): OpenCache {
  return async (directory) => {
    const cache = await open(`${directory}/cache`);
    return { cache, [Symbol.asyncDispose]: () => cache[Symbol.asyncDispose]() };
  };
}

function openTwo(
  [first, second]: readonly [OpenCache, OpenCache],
  combine: (first: Cache, second: Cache) => Cache,
): OpenCache {
  return async (directory) => {
    await using opened = new AsyncDisposableStack();
    const one = opened.use(await first(`${directory}/one`));
    const other = opened.use(await second(`${directory}/other`));
    const both = opened.move();
    return {
      cache: combine(one.cache, other.cache),
      [Symbol.asyncDispose]: () => both.disposeAsync(),
    };
  };
}

const bag = openOne((path) => openBag(path, { fold: "manual" }));
const files = openOne((path) => openFileCache(path));
const sqlite = openOne((path) => openSqliteCache(path));
const signed = openOne((path) => openFileCache(path, { signingKey: "a key of these files only" }));
const memory: OpenCache = () => {
  const cache = createMemoryCache();
  return Promise.resolve({ cache, [Symbol.asyncDispose]: () => Promise.resolve() });
};
const mixed = (values: Cache, calls: Cache) => mix({ values, calls });

/** Kinds that are the same wherever they are opened in one directory. */
export const SHARED: { readonly [kind: string]: OpenCache } = {
  bag,
  files,
  sqlite,
  "signed files": signed,
  "values in a bag, calls in SQLite": openTwo([bag, sqlite], mixed),
  "values in SQLite, calls in files": openTwo([sqlite, files], mixed),
  "values in files, calls in a bag": openTwo([files, bag], mixed),
  "files on SQLite": openTwo([files, sqlite], stack),
  "SQLite on a bag": openTwo([sqlite, bag], stack),
  "a mix on files": openTwo([openTwo([files, sqlite], mixed), files], stack),
};

/** All kinds. */
export const KINDS: { readonly [kind: string]: OpenCache } = {
  memory,
  ...SHARED,
  "values in memory, calls in files": openTwo([memory, files], mixed),
  "values in files, calls in memory": openTwo([files, memory], mixed),
  "memory on files": openTwo([memory, files], stack),
};

/** A result of its own, of this many bytes. */
export const fill = task(
  import.meta,
  (n: number, size: number) => ({ n, bytes: new Uint8Array(size).fill(n) }),
  { name: "forgetting fill", version: 1 },
);

/** A result that shares its large part with others. */
export const share = task(
  import.meta,
  (n: number, block: Uint8Array) => ({ n, block }),
  { name: "forgetting share", version: 1 },
);
