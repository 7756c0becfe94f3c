// Before all that needs a runtime, as it refuses others than Deno.
import "../base/ambient.ts";
import type { DiskBag } from "../bag/disk_bag.ts";
import type { VerifyOptions, VerifyReport } from "../bag/verify/report.ts";
import { checkIsOptions, checkOptions, FUNCTION } from "../base/check_options.ts";
import { QuiverError } from "../base/errors.ts";
import { importLater } from "../base/lazy_import.ts";
import { type QuiverWarning, toSafeWarning } from "../base/warning.ts";
import type { CallQuery } from "../call/call_query.ts";
import type { BagOptions, FoldResult } from "../disk/disk_storage.ts";
import type { BagView } from "../store/browse/bag_view.ts";
import type { BagEntry } from "../store/browse/read_bag.ts";
import type { ExportResult } from "../store/exchange/export_bag.ts";
import type { ImportResult } from "../store/exchange/import_bag.ts";
import type { OpenFiles } from "../store/open_stores.ts";
import type { SigningOptions } from "../store/signed/signing_keys.ts";
import type { VerifyBagOptions } from "../store/verify/run_verify_worker.ts";
import type { SweepResult } from "../store/stores.ts";
import type { NdArray, NumberArray } from "../value/array_shape.ts";
import { type Inspect, inspectSymbol } from "../value/symbols.ts";
import type { Digest } from "../value/value.ts";
import { Cache } from "./cache.ts";
import type { GcOptions } from "./tidy.ts";

/** Options of {@linkcode openFileCache}. */
export interface FileCacheOptions extends SigningOptions {
  /**
   * Whether the cache may be changed; a read-only one never stores anything.
   *
   * @default {"readwrite"}
   */
  mode?: "readwrite" | "read";
  /**
   * What an acknowledged value survives: `"process"` the death of the process, `"power"` also loss
   * of power (data is synced first).
   *
   * @default {"process"}
   */
  durability?: "process" | "power";
}

/** Options of {@linkcode openSqliteCache}. */
export interface SqliteCacheOptions extends FileCacheOptions {
  /**
   * How long to wait while another connection holds the database, in milliseconds; this isolate is
   * blocked meanwhile.
   *
   * @default {10000}
   */
  busyTimeout?: number;
}

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
 * import { cacheScope, task } from "@quiver/quiver";
 * import { openFileCache } from "@quiver/quiver/caches";
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
 * import { cacheScope, task } from "@quiver/quiver";
 * import { openSqliteCache } from "@quiver/quiver/caches";
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

function loadStores(): Promise<typeof import("../store/open_stores.ts")> {
  return importLater<typeof import("../store/open_stores.ts")>("stores");
}

/** Options of {@linkcode openBag}. */
export interface OpenBagOptions extends BagOptions, SigningOptions {
  /** Told when a bag that is disposed could not be folded; by default written to standard error. */
  onWarning?: (warning: QuiverWarning) => void;
}

/**
 * A cache in a directory: values in HDF5, calls in a JSON-lines log. Many workers and processes use
 * one at the same time, and `kill -9` of any of them loses nothing that was acknowledged.
 */
export class Bag extends Cache implements AsyncDisposable {
  readonly #opened: OpenFiles<DiskBag>;
  readonly #onWarning: (warning: QuiverWarning) => void;
  #closed = false;

  /**
   * Creates the cache of an open bag; users call `openBag`.
   *
   * @param opened The stores of the bag.
   * @param onWarning Told when disposing could not fold.
   */
  constructor(opened: OpenFiles<DiskBag>, onWarning: (warning: QuiverWarning) => void) {
    super(opened.stores);
    this.#opened = opened;
    this.#onWarning = onWarning;
  }

  /** The absolute path of the directory. */
  get path(): string {
    return this.#opened.files.path;
  }

  /**
   * Goes over what lies at a path, like a directory: `""` has the tasks, a task has its calls by
   * their keys, and a call has `args`, `result` and `metadata`. From there on the steps lead into the
   * values, as in {@linkcode Bag.read}. A path may also begin with the digest of a value.
   *
   * @param path The path; `/` inside a step is written `~1`.
   * @returns The entries; large arrays are not read for them.
   * @throws {RangeError} If there is no such path; the message names the first step that is missing.
   *
   * @example Look around in a bag
   * ```ts
   * import { cacheScope, openBag, task } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const ramp = task(import.meta, (n: number) => ({ n, ys: new Float64Array(n) }), { name: "ramp" });
   * const path = await Deno.makeTempDir();
   * {
   *   await using bag = await openBag(path);
   *   await cacheScope({ cache: bag }, () => ramp(1000));
   *   const key = await ramp.digest(1000);
   *   const entries = await Array.fromAsync(bag.list(`ramp/${key}/result`));
   *   assertEquals(entries.map(({ name, kind }) => `${name}: ${kind}`), ["n: number", "ys: Float64Array"]);
   *   assertEquals(entries[1]?.shape, [1000]);
   * }
   * await Deno.remove(path, { recursive: true });
   * ```
   */
  async *list(path: string = ""): AsyncGenerator<BagEntry> {
    const [{ listBag }, view] = await Promise.all([importReading(), this.#view()]);
    yield* listBag(view, path);
  }

  /**
   * Reads a stored value, or only a part of it: large arrays beside the path are not read.
   *
   * The steps of a path are keys of objects, indices of arrays and keys of Maps, with `/` between
   * them. In a step `~1` stands for `/`, `~0` for `~` and `~e` for the empty key; `~#3` is the entry
   * number 3 of a Map or Set, whatever its key.
   *
   * In a signed bag all of the value is read, as its digest is that of the whole.
   *
   * @param digest The digest of the value, such as `record.result`.
   * @param path Where in the value; the whole value if empty.
   * @returns What is there, as the caller's own copy.
   * @throws {CacheMissError} If the value is not in the bag, or is damaged.
   * @throws {RangeError} If there is no such path; the message names the first step that is missing.
   *
   * @example Read a part of a value
   * ```ts
   * import { openBag } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const path = await Deno.makeTempDir();
   * {
   *   await using bag = await openBag(path);
   *   const digest = await bag.putValue({ steps: [{ at: 0.5 }], grid: new Float64Array(100_000) });
   *   assertEquals(await bag.read(digest, "steps/0/at"), 0.5);
   * }
   * await Deno.remove(path, { recursive: true });
   * ```
   */
  async read(digest: Digest, path: string = ""): Promise<unknown> {
    const [{ readBag }, view] = await Promise.all([importReading(), this.#view()]);
    return readBag(view, digest, path);
  }

  /**
   * Reads a part of an array, and not the rest of it. In a signed bag all of the value is read, as its
   * digest is that of the whole; and of what is not sealed yet, all is read the first time.
   *
   * @param place The digest of an array, or that of a value and the path of the array in it, as in {@linkcode Bag.read}: a typed array, or
   * an n-dimensional array `{ data, shape }`.
   * @param ranges For each dimension `[start, end]`, the end left out; dimensions without a range
   * are taken whole.
   * @returns A typed array; of an array with two dimensions or more `{ data, shape }`.
   * @throws {CacheMissError} If the array is not in the bag, or what was read of it is damaged.
   * @throws {TypeError} If there is no array of numbers.
   * @throws {RangeError} If there is no such path, or a range is outside of the array.
   *
   * @example Read a column of a matrix
   * ```ts
   * import { openBag } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const path = await Deno.makeTempDir();
   * {
   *   await using bag = await openBag(path);
   *   const data = Float64Array.from({ length: 1_000_000 }, (_, i) => i);
   *   const digest = await bag.putValue({ data, shape: [1000, 1000] });
   *   assertEquals(await bag.slice(digest, [[10, 12], [3, 4]]), {
   *     data: Float64Array.of(10_003, 11_003),
   *     shape: [2, 1],
   *   });
   * }
   * await Deno.remove(path, { recursive: true });
   * ```
   */
  async slice(
    place: Digest | { readonly digest: Digest; readonly path: string },
    ranges: readonly (readonly [start: number, end: number])[],
  ): Promise<NumberArray | NdArray> {
    const [{ sliceBag }, view] = await Promise.all([importReading(), this.#view()]);
    const { digest, path } = typeof place === "string" ? { digest: place, path: "" } : place;
    return sliceBag(view, digest, path, ranges);
  }

  /**
   * Writes calls with their arguments and results into one HDF5 file that needs no bag: a group for
   * each call under `/calls/<task>/<key>`, pleasant to browse with h5py, h5dump, HDFView or H5Web.
   * The exact values are in it too, for {@linkcode Bag.importHdf5}.
   *
   * Requires `--allow-write` of the file's directory. Large arrays are streamed; what describes the
   * calls is kept in memory.
   *
   * @param path The file; what is there is replaced when all is written.
   * @param query Which calls: those of a task, what they have in common, or a function that tells;
   * all if not given.
   * @returns What was written.
   *
   * @example Give somebody the results of one task
   * ```ts
   * import { cacheScope, openBag, task } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const wave = task(import.meta, (n: number) => Float64Array.from({ length: n }, Math.sin), {
   *   name: "wave",
   * });
   * const path = await Deno.makeTempDir();
   * {
   *   await using bag = await openBag(`${path}/mine`);
   *   await cacheScope({ cache: bag }, () => wave(1000));
   *   assertEquals((await bag.exportHdf5(`${path}/waves.h5`, { task: "wave" })).calls, 1);
   *   await using other = await openBag(`${path}/theirs`);
   *   assertEquals(await other.importHdf5(`${path}/waves.h5`), {
   *     calls: 1,
   *     known: 0,
   *     rejected: 0,
   *   });
   *   assertEquals((await other.lookup(await wave.digest(1000))).hit, true);
   * }
   * await Deno.remove(path, { recursive: true });
   * ```
   */
  async exportHdf5(path: string | URL, query: CallQuery = {}): Promise<ExportResult> {
    const { exportBag } = await importLater<typeof import("../store/exchange/export_bag.ts")>(
      "export",
    );
    const { toMatcher } = await importLater<typeof import("./tidy.ts")>("calls");
    return await exportBag(await this.#view(), path, toMatcher(query));
  }

  /**
   * Takes in the calls of a file that {@linkcode Bag.exportHdf5} has written. Values are checked
   * against their digests before anything is stored. Calls that the bag knows stay as they are, so
   * that a file can be imported twice. That a key belongs to its result cannot be checked: import
   * only what you would run. A bag with a signing key takes in what was signed with one of its keys.
   *
   * Requires `--allow-read` of the file.
   *
   * @param path The file.
   * @returns What is new.
   * @throws {BagCorruptError} If the file is something else, or damaged; nothing was stored.
   */
  async importHdf5(path: string | URL): Promise<ImportResult> {
    const { importBag } = await importLater<typeof import("../store/exchange/import_bag.ts")>(
      "import",
    );
    return await importBag(this.#opened, path);
  }

  /** What may be seen: in a signed bag, not what somebody else has written. */
  async #view(): Promise<BagView> {
    const { createBagView } = await importReading();
    return createBagView(this.#opened);
  }

  /**
   * Moves all values from the journals into sealed HDF5 segments, so that HDF5 tools see them behind
   * `values.h5`. It happens by itself when a journal is full and when the bag is closed.
   *
   * @returns What was done, or `undefined` when another process is doing it now.
   */
  fold(): Promise<FoldResult | undefined> {
    return this.#opened.files.fold();
  }

  /**
   * Checks everything in the directory, and repairs it if that is wanted; see {@linkcode verifyBag},
   * which also takes a bag that cannot be opened any more. A bag that was opened with signing keys is
   * checked with these.
   *
   * @param options What to do.
   * @returns What each step found, as data to be printed.
   * @throws {QuiverError} When the bag was opened with `mode: "read"` and is to be repaired.
   */
  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    if (options.repair === true && this.readOnly) {
      throw new QuiverError(`Cannot repair "${this.path}": it was opened with mode: "read"`);
    }
    const { stores: { description } } = this.#opened;
    const signingKey = description?.type === "signed" ? description.keys : [];
    return await verifyBag(this.path, { ...options, signingKey });
  }

  /**
   * Drops all values that no record names, as `gc` does, and rewrites the rest: one segment behind
   * `values.h5` (a new one for each GiB or million values, as the HDF5 library's memory is bounded),
   * and a call log without dead lines. Others read and write meanwhile. It takes up to as much space
   * again until it is done.
   *
   * @param options How long values are kept that belong to no call.
   * @returns How many values were dropped, and their bytes.
   * @throws {QuiverError} When the bag is closed or read-only.
   *
   * @example Leave a bag as small as it can be
   * ```ts
   * import { cacheScope, openBag, task } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const path = await Deno.makeTempDir();
   * const ones = task(import.meta, (n: number) => new Float64Array(n).fill(1), { name: "ones" });
   * {
   *   await using bag = await openBag(path);
   *   await cacheScope({ cache: bag }, () => Promise.all([ones(1000), ones(2000)]));
   *   await bag.evict(await ones.digest(1000));
   *   const { bytes } = await bag.compact({ gracePeriod: 0 });
   *   assertEquals(bytes > 8000, true);
   * }
   * await Deno.remove(path, { recursive: true });
   * ```
   */
  async compact(options: GcOptions = {}): Promise<SweepResult> {
    const { collectGarbage } = await importLater<typeof import("./tidy.ts")>("calls");
    return await collectGarbage(this.stores, options, { full: true });
  }

  /**
   * Folds what is not sealed, and lets go of the directory; may be called twice.
   *
   * @throws When the fold failed; the directory was let go of, and nothing is lost.
   */
  close(): Promise<void> {
    this.#closed = true;
    return this.#opened.files.close();
  }

  /**
   * What `console.log` shows; no file is looked at.
   *
   * @internal
   */
  [inspectSymbol](inspect: Inspect, options: Deno.InspectOptions): string {
    const { path, mode } = this.#opened.files;
    const closed = this.#closed ? { closed: true } : {};
    return `Bag ${inspect({ path, mode, ...closed, ...this.counts }, options)}`;
  }

  /** The same as `close`, but a fold that failed is a warning: it must not cost what a block returns. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.close();
    } catch (cause) {
      this.#onWarning({ message: `Cannot seal all of "${this.path}"`, cause });
    }
  }
}

function importReading(): Promise<typeof import("../store/browse/read_bag.ts")> {
  return importLater<typeof import("../store/browse/read_bag.ts")>("browse");
}

/**
 * Opens a bag, and creates it when the directory is missing or empty.
 *
 * Requires `--allow-read` and, unless `mode` is `"read"`, `--allow-write` of the directory.
 *
 * @param path The directory.
 * @param options How to open it.
 * @returns The bag.
 * @throws {BagFormatError} When the directory is not a bag, or one of a newer format.
 *
 * @example Remember a call for the next process
 * ```ts
 * import { cacheScope, openBag, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempDir();
 * const sum = task(import.meta, (...xs: number[]) => xs.reduce((a, b) => a + b, 0), { name: "sum" });
 * {
 *   await using bag = await openBag(path);
 *   await cacheScope({ cache: bag }, () => sum(1, 2, 3));
 * }
 * await using bag = await openBag(path, { mode: "read" });
 * await cacheScope({ cache: bag }, async () => {
 *   assertEquals(await sum.load(1, 2, 3), 6);
 * });
 * await Deno.remove(path, { recursive: true });
 * ```
 */
export async function openBag(path: string | URL, options: OpenBagOptions = {}): Promise<Bag> {
  checkIsOptions("open a bag", options);
  const { onWarning, ...bagOptions } = options;
  checkOptions("open a bag", { onWarning }, { onWarning: FUNCTION });
  const { openBagStores } = await loadStores();
  return new Bag(await openBagStores(path, bagOptions), toSafeWarning(onWarning));
}

/**
 * Checks a bag, and repairs it if that is wanted, without opening it: also a bag that `openBag`
 * refuses because its manifest is damaged.
 *
 * It reads every file: each payload is compared with its checksum, each table with its segment, each
 * line of the call log with its checksum, and each record's result and arguments are read and
 * decoded. The checksums are CRC-32, which find accidents; with `digests` the SHA-256 of each value
 * that a record names is computed again, which also finds what was put there on purpose.
 *
 * Others may read and write meanwhile; nobody folds until it has ended. A repair loses nothing that
 * is whole: damaged files are copied to `quarantine/` before they are replaced, and calls whose
 * results cannot be had are forgotten, so that they are computed again. An argument that cannot be had
 * costs its call nothing: the record says `lost` where it said `value`.
 *
 * What a program leaves that is killed, or a machine that loses power, is no problem: the end of a line
 * or value that was never acknowledged, and zeros in its place, are `unfinished`.
 *
 * A bag that is signed is repaired without its keys, and nothing is lost by that: what is whole stays a
 * hit for who has a key, and nothing else becomes one. With `signingKey` the report also counts as
 * `missed` what is a miss with these keys only: calls that somebody else has signed, or nobody.
 *
 * Requires `--allow-read` and, for a repair, `--allow-write` of the directory.
 *
 * @param path The directory.
 * @param options What to do.
 * @returns What each step found, as data to be printed.
 * @throws {BagFormatError} When the directory is not a bag, or one of a newer format.
 *
 * @example Check a bag, and repair it
 * ```ts
 * import { cacheScope, openBag, task } from "@quiver/quiver";
 * import { verifyBag } from "@quiver/quiver/caches";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempDir();
 * const square = task(import.meta, (n: number) => n * n, { name: "square" });
 * {
 *   await using bag = await openBag(path);
 *   await cacheScope({ cache: bag }, () => square(3));
 * }
 * assert((await verifyBag(path)).sound);
 * await Deno.writeTextFile(`${path}/manifest.json`, "damaged");
 * const { sound, missed } = await verifyBag(path, { repair: true });
 * assertEquals([sound, missed], [true, 0]);
 * await Deno.remove(path, { recursive: true });
 * ```
 */
export async function verifyBag(
  path: string | URL,
  options: VerifyBagOptions = {},
): Promise<VerifyReport> {
  const { runVerifyWorker } = await importLater<
    typeof import("../store/verify/run_verify_worker.ts")
  >("verify");
  return await runVerifyWorker(path, options);
}
