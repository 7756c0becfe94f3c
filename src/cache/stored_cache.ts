import type { CacheFilesOptions } from "../disk/cache_files.ts";
import { importLater } from "../base/lazy_import.ts";
import type { OpenFiles } from "../store/open_stores.ts";
import type { SigningOptions } from "../store/signed/signing_keys.ts";
import type { SqliteOptions } from "../store/stores.ts";
import { Cache } from "./cache.ts";

type StoreModule = typeof import("../store/open_stores.ts");

/** Options of {@linkcode openFileCache}. */
export interface FileCacheOptions extends CacheFilesOptions, SigningOptions {}

/** Options of {@linkcode openSqliteCache}. */
export interface SqliteCacheOptions extends SqliteOptions, SigningOptions {}

/** A cache that holds files open: a directory with a file for each value, or a database. */
export class StoredCache extends Cache implements AsyncDisposable {
  readonly #opened: OpenFiles;

  /**
   * Creates the cache of open files; users call `openFileCache` or `openSqliteCache`.
   *
   * @param opened The stores, and what is beneath them.
   */
  constructor(opened: OpenFiles) {
    super(opened.stores);
    this.#opened = opened;
  }

  /** The absolute path of the directory or database. */
  get path(): string {
    return this.#opened.files.path;
  }

  /** Lets go of the files; may be called twice. */
  close(): Promise<void> {
    return this.#opened.files.close();
  }

  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Opens a cache that keeps one file for each value and one for each call, and creates it when the
 * directory is missing or empty.
 *
 * Files are written under another name and then renamed, so that no reader sees half a file. When a
 * call returns, its result survives the death of the process, and with `durability: "power"` also
 * loss of power. A missing or damaged file is a miss, and heals. Many workers and processes use one
 * at the same time, each key is computed once, and a lease dies with its holder. Values are never
 * collected: a bag does that, stores small values faster, and takes less space.
 *
 * Requires `--allow-read` and, unless `mode` is `"read"`, `--allow-write` of the directory, and
 * `--allow-read` of Quiver's files.
 *
 * @param path The directory, on a local file system.
 * @param options How to open it.
 * @returns The cache.
 * @throws {CacheFormatError} When the directory is not a file cache, or one of a newer format.
 *
 * @example Remember a call in plain files
 * ```ts
 * import { cacheScope, openFileCache, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempDir();
 * const words = task(import.meta, (text: string) => text.split(" "), { name: "words" });
 * {
 *   await using cache = await openFileCache(path);
 *   await cacheScope({ cache }, () => words("to be or not"));
 * }
 * await using cache = await openFileCache(path, { mode: "read" });
 * await cacheScope({ cache }, async () => {
 *   assertEquals(await words.load("to be or not"), ["to", "be", "or", "not"]);
 * });
 * await Deno.remove(path, { recursive: true });
 * ```
 */
export async function openFileCache(
  path: string | URL,
  options: FileCacheOptions = {},
): Promise<StoredCache> {
  const { openFileStores } = await loadStores();
  return new StoredCache(await openFileStores(path, options));
}

/**
 * Opens a cache in a SQLite database, and creates it when the file is missing or empty.
 *
 * The database is in WAL mode: SQLite keeps `<path>-wal` and `<path>-shm` beside it, also while it
 * is only read, and Quiver keeps `<path>-leases/`. When a call returns, its result survives the
 * death of the process, and with `durability: "power"` also loss of power. A row that is missing or
 * damaged is a miss, and heals; pages that SQLite finds malformed are its own errors. Many workers
 * and processes use one at the same time: writers take turns and wait for one another for up to
 * `busyTimeout`, readers do not wait. Each key is computed once, and a lease dies with its holder. A
 * value or part of a value has fewer than 10^9 bytes.
 *
 * Requires `--allow-read` and, unless `mode` is `"read"`, `--allow-write` of `<path>` and
 * `<path>-leases`, and `--allow-read` of Quiver's files.
 *
 * @param path The database, on a local file system.
 * @param options How to open it.
 * @returns The cache.
 * @throws {CacheFormatError} When the file is no cache of Quiver's, or one of a newer format.
 *
 * @example Remember a call in a database
 * ```ts
 * import { cacheScope, openSqliteCache, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const directory = await Deno.makeTempDir();
 * const power = task(import.meta, (n: number, k: number) => n ** k, { name: "power" });
 * {
 *   await using cache = await openSqliteCache(`${directory}/results.db`);
 *   await cacheScope({ cache }, async () => {
 *     assertEquals(await power(2, 10), 1024);
 *     assertEquals(await power.load(2, 10), 1024);
 *   });
 * }
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export async function openSqliteCache(
  path: string | URL,
  options: SqliteCacheOptions = {},
): Promise<StoredCache> {
  const { openSqliteStores } = await loadStores();
  return new StoredCache(await openSqliteStores(path, options));
}

function loadStores(): Promise<StoreModule> {
  return importLater<StoreModule>("../store/open_stores.ts", import.meta.url);
}
