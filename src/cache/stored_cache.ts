// Before all that needs a runtime, as it refuses others than Deno.
import "../base/ambient.ts";
import type { BackupOptions, BackupResult } from "../bag/backup/backup_options.ts";
import type { DiskBag } from "../bag/disk_bag.ts";
import type { VerifyOptions, VerifyReport } from "../bag/verify/report.ts";
import { checkIsOptions, checkOptions, FUNCTION } from "../base/check_options.ts";
import { QuiverError } from "../base/errors.ts";
import { importLater } from "../base/lazy_import.ts";
import { type QuiverWarning, toSafeWarning } from "../base/warning.ts";
import type { CallQuery } from "../call/call_query.ts";
import type { BagOptions, FoldResult } from "../disk/disk_storage.ts";
import type { BagView } from "../store/browse/bag_view.ts";
import type { BagEntry, BagPlace, DescribeOptions } from "../store/browse/read_bag.ts";
import type { ExportOptions, ExportResult } from "../store/exchange/export_bag.ts";
import type { ImportResult } from "../store/exchange/import_bag.ts";
import type {
  ImportDatasetsOptions,
  ImportDatasetsResult,
} from "../store/exchange/import_datasets.ts";
import type { OpenFiles } from "../store/open_stores.ts";
import type { SigningOptions } from "../store/signed/signing_keys.ts";
import type { VerifyBagOptions } from "../store/verify/run_verify_worker.ts";
import type { SweepResult } from "../store/stores.ts";
import { type Inspect, inspectSymbol } from "../value/symbols.ts";
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
  #closed = false;

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

  /**
   * Drops all values that no record names, as `gc` does, and gives all free space of a database back to the
   * disk. Others read and write meanwhile.
   *
   * @param options How long values are kept that belong to no call.
   * @returns How many values were dropped, and their bytes.
   * @throws {QuiverError} When the cache is closed or read-only.
   */
  async compact(options: GcOptions = {}): Promise<SweepResult> {
    const { collectGarbage } = await importLater<typeof import("./tidy.ts")>("calls");
    return await collectGarbage(this.stores, options, { full: true });
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Lets go of the files; may be called twice. */
  close(): Promise<void> {
    this.#closed = true;
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
 * at the same time, each key is computed once, and a lease dies with its holder. A bag stores small
 * values faster, and takes less space.
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
   * values, as in {@linkcode Cache.read}. A path may also begin with the digest of a value.
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
   * Tells what lies at a path, as {@linkcode Bag.list} has them, and the first of what lies below.
   *
   * @param path The path; `""` is the bag itself.
   * @param options How many of the entries below are described, and from which on; none, if not given.
   * @returns What is there; large arrays are not read for it.
   * @throws {RangeError} If there is no such path, or an option is out of range.
   * @throws {TypeError} If an option is unknown.
   *
   * @example See what a call has given
   * ```ts
   * import { cacheScope, openBag, task } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const fit = task(import.meta, (n: number) => ({ loss: 1 / n, ys: new Float32Array(n) }), {
   *   name: "fit",
   * });
   * const path = await Deno.makeTempDir();
   * {
   *   await using bag = await openBag(path);
   *   await cacheScope({ cache: bag }, () => fit(2000));
   *   const result = await bag.describe(`${await fit.digest(2000)}/result`, { entries: 8 });
   *   const [loss, ys] = result.entries;
   *   assertEquals([result.kind, loss?.value, ys?.shape], ["Object", 0.0005, [2000]]);
   * }
   * await Deno.remove(path, { recursive: true });
   * ```
   */
  async describe(path: string = "", options: DescribeOptions = {}): Promise<BagPlace> {
    const [{ describePath }, view] = await Promise.all([importReading(), this.#view()]);
    return describePath(view, path, options);
  }

  /**
   * Writes calls with their arguments and results into one HDF5 file that needs no bag: a group for
   * each call under `/calls/<task>/<key>`, pleasant to browse with h5py, h5dump, HDFView or H5Web.
   * The exact values are in it too, for {@linkcode Bag.importHdf5}.
   *
   * Requires `--allow-read` and `--allow-write` of the file's directory. Large arrays are streamed; what
   * describes the calls is kept in memory.
   *
   * A file that is there is replaced when all is written; the new one has its mode, group and owner, as
   * far as whoever runs this may give them. A symbolic link stays, and what it leads to is replaced. An
   * export that fails leaves nothing, and what a killed one has left beside the file is removed by the
   * next.
   *
   * @param path The file, outside of any cache.
   * @param query Which calls: those of a task, what they have in common, or a function that tells;
   * all if not given.
   * @param options What is in the file: with `layout: "plain"` netCDF4 and xarray read it.
   * @returns What was written.
   * @throws {QuiverError} If the file lies in a cache, or is none.
   * @throws {TypeError} If an option is unknown, or none of its values.
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
  async exportHdf5(
    path: string | URL,
    query: CallQuery = {},
    options: ExportOptions = {},
  ): Promise<ExportResult> {
    const { exportBag } = await importLater<typeof import("../store/exchange/export_bag.ts")>(
      "export",
    );
    const { toMatcher } = await importLater<typeof import("./tidy.ts")>("calls");
    return await exportBag(await this.#view(), path, toMatcher(query), options);
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

  /**
   * Takes in arrays of HDF5 files that anybody has written, with their shapes, types and attributes.
   * Arrays are read in pieces, so that one of a gigabyte takes some megabytes of memory: those of one
   * dimension become typed arrays, those of more `{ data, shape }`, and numbers, booleans and texts
   * without dimensions what JavaScript has for them. Integers, floating-point numbers of 16, 32 and 64
   * bits, booleans, enumerations, complex numbers (with a last dimension of 2) and texts are carried,
   * whatever their byte order and their chunks; texts become Arrays, and are in memory together.
   *
   * The digest of an array counts as its value: as an argument of a task it stands for the array, which
   * the task reads as far as it needs it, with `currentScope().cache`, here or on a worker. The bag keeps
   * what it has taken in until the calls of the task `importDatasets` are evicted that say so.
   *
   * No link to another file is followed, and each group is gone through once. What is not carried is
   * told of: references, opaque bytes, tables, virtual datasets, filters that the HDF5 library lacks.
   *
   * Requires `--allow-read` of the file.
   *
   * @param file The file.
   * @param options Which of its arrays; all if not given.
   * @returns What was taken in, and what was not.
   * @throws {BagCorruptError} If the file is none of HDF5's, or damaged.
   * @throws {RangeError} If there is no such path, or a range is outside of the dataset.
   * @throws {TypeError} If an option is wrong, or the dataset that `path` names is not carried.
   * @throws {QuiverError} If the bag is closed or read-only.
   *
   * @example Compute with an array of somebody else's file
   * ```ts
   * import { cacheScope, currentScope, openBag, task } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const sum = task(import.meta, async (digest: string, rows: number) => {
   *   const { cache } = currentScope();
   *   const part = await cache?.slice(digest, [[0, rows]]);
   *   return part !== undefined && "shape" in part ? Array.from(part.data, Number).reduce((a, b) => a + b) : 0;
   * }, { name: "sum" });
   *
   * const path = await Deno.makeTempDir();
   * {
   *   await using bag = await openBag(`${path}/bag`);
   *   await cacheScope({ cache: bag }, async () => {
   *     // The file that h5py, MATLAB or another bag has written.
   *     const grid = { data: new Float64Array(6000).fill(0.5), shape: [60, 100] };
   *     await task(import.meta, () => grid, { name: "grid" })();
   *     await bag.exportHdf5(`${path}/theirs.h5`);
   *     const { datasets } = await bag.importDatasets(`${path}/theirs.h5`, { path: "/calls/grid" });
   *     for (const { digest, shape, dtype } of datasets) {
   *       assertEquals([shape, dtype, await sum(digest, 2)], [[60, 100], "float64", 100]);
   *     }
   *   });
   * }
   * await Deno.remove(path, { recursive: true });
   * ```
   */
  async importDatasets(
    file: string | URL,
    options: ImportDatasetsOptions = {},
  ): Promise<ImportDatasetsResult> {
    const { importDatasets } = await importLater<
      typeof import("../store/exchange/import_datasets.ts")
    >("datasets");
    return await importDatasets(this.#opened, file, options);
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
   * Copies the bag into a directory, beside all who use it: every call that was acknowledged before is
   * in the copy, with its values. The copy is a bag: {@linkcode openBag} opens it, which is all that it
   * takes to restore it.
   *
   * Into the directory of an older backup of the same bag only what is new is copied, and what the bag
   * has dropped since goes. Whoever is killed meanwhile, or finds the disk full, leaves the older backup
   * or the new one, each of them whole, or a first one that cannot be opened yet; the next backup goes on
   * from there. Nobody waits for it. Nothing is promised before it returns, and from then on it survives
   * loss of power.
   *
   * Sealed segments become hard links where the directory is on the same disk, unless `links` is
   * `false`. What is damaged in the bag is so in the copy: {@linkcode verifyBag} tells. Open backups with
   * `mode: "read"`: one in which calls were recorded is no longer only a backup, and is refused.
   *
   * Requires `--allow-read` and `--allow-write` of the directory, and `--allow-read` of the bag and of
   * Quiver's files; links also `--allow-write` of the bag.
   *
   * @param directory The directory: missing, empty, or an older backup of this bag.
   * @param options How to do it, what ends it and who is told.
   * @returns What was done.
   * @throws {BagFormatError} If the directory holds something else, a backup of another bag, one of
   * another version, one that is newer than the bag or one that was written to.
   * @throws {BagCorruptError} If a live segment of the bag is missing; the backup is as it was.
   * @throws {QuiverError} If the bag is closed, if the directory lies in it or is in use, or if a file
   * cannot be copied.
   *
   * @example Back up a bag, and again after another call
   * ```ts
   * import { cacheScope, openBag, task } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const path = await Deno.makeTempDir();
   * const double = task(import.meta, (n: number) => 2 * n, { name: "double" });
   * {
   *   await using bag = await openBag(`${path}/bag`);
   *   await cacheScope({ cache: bag }, () => double(1));
   *   assertEquals((await bag.backup(`${path}/backup`)).calls, 1);
   *   await cacheScope({ cache: bag }, () => double(2));
   *   assertEquals((await bag.backup(`${path}/backup`)).calls, 2);
   * }
   * await using restored = await openBag(`${path}/backup`, { mode: "read" });
   * await cacheScope({ cache: restored }, async () => {
   *   assertEquals(await double.load(2), 4);
   * });
   * await Deno.remove(path, { recursive: true });
   * ```
   */
  async backup(directory: string | URL, options: BackupOptions = {}): Promise<BackupResult> {
    const [{ runBackupWorker }, { toPath }] = await Promise.all([
      importLater<typeof import("../bag/backup/run_backup_worker.ts")>("backup"),
      loadStores(),
    ]);
    return await runBackupWorker(this.#opened.files, toPath(directory), options);
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

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
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
