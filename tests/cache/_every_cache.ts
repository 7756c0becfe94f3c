import { type Cache, createMemoryCache, openBag } from "@quiver/quiver";
import {
  type CallRecord,
  createCache,
  openFileCache,
  openSqliteCache,
  type OwnCalls,
  type OwnStores,
} from "@quiver/quiver/caches";
import { CLOCK_LAG } from "../../src/disk/file_clock.ts";

/** Stores of one's own, in Maps, with all that they may have; they answer at once, or later. */
export function createOwnStores(
  isLater = false,
): OwnStores & Required<Pick<OwnStores, "failures">> {
  const answer = <T>(value: T) => isLater ? Promise.resolve(value) : value;
  const values = new Map<string, { readonly bytes: Uint8Array; readonly put: number }>();
  const createRecords = (): OwnCalls => {
    const records = new Map<string, CallRecord>();
    return {
      get: (key) => answer(records.get(key)),
      put: (record) => answer(void records.set(record.key, record)),
      delete: (key) => answer(records.delete(key)),
      records: () => [...records.values()],
    };
  };
  return {
    values: {
      get: (digest) => answer(values.get(digest)?.bytes),
      put: (digest, bytes) => answer(void values.set(digest, { bytes, put: Date.now() })),
      delete: (digest) => answer(values.delete(digest)),
      *entries() {
        for (const [digest, { bytes, put }] of values) yield { digest, bytes: bytes.length, put };
      },
    },
    calls: createRecords(),
    failures: createRecords(),
  };
}

/** Waits for a moment that each clock tells from this one, also that of files. */
export async function untilLater(): Promise<void> {
  for (const now = Date.now(); Date.now() <= now + CLOCK_LAG;) {
    await new Promise((next) => setTimeout(next, 1));
  }
}

/**
 * Runs something with an empty cache of each kind, one after the other.
 *
 * @param run What to run.
 * @param kinds Which kinds; all if not given.
 */
export async function withEveryCache(
  run: (cache: Cache, kind: string) => Promise<void>,
  kinds: readonly (keyof typeof KINDS)[] = ["memory", "bag", "files", "sqlite", "own"],
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    for (const kind of kinds) {
      const cache = await KINDS[kind](`${folder}/${kind}`);
      try {
        await run(cache, kind);
      } finally {
        if ("close" in cache) await cache.close();
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const KINDS = {
  memory: () => createMemoryCache(),
  bag: (path: string) => openBag(path, { fold: "manual" }),
  files: (path: string) => openFileCache(path),
  sqlite: (path: string) => openSqliteCache(path),
  own: () => createCache(createOwnStores()),
  ownLater: () => createCache(createOwnStores(true)),
};
