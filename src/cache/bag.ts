import type { BagFiles, BagOptions, FoldResult } from "../bag/bag_files.ts";
import type { VerifyOptions, VerifyReport } from "../bag/verify_report.ts";
import { QuiverError } from "../errors.ts";
import { importLater } from "../import_later.ts";
import type { OpenFiles } from "../store/open_stores.ts";
import type { SigningOptions } from "../store/signing_keys.ts";
import { type QuiverWarning, writeWarning } from "../warning.ts";
import type { SweepResult } from "../store/stores.ts";
import { Cache } from "./cache.ts";
import type { GcOptions } from "./tidy_cache.ts";
import { verifyBag } from "./verify_bag.ts";

type Tidying = typeof import("./tidy_cache.ts");
type BagStores = typeof import("../store/open_stores.ts");

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
  readonly #opened: OpenFiles<BagFiles>;
  readonly #onWarning: (warning: QuiverWarning) => void;

  /**
   * Creates the cache of an open bag; users call `openBag`.
   *
   * @param opened The stores of the bag.
   * @param onWarning Told when disposing could not fold.
   */
  constructor(opened: OpenFiles<BagFiles>, onWarning: (warning: QuiverWarning) => void) {
    super(opened.stores);
    this.#opened = opened;
    this.#onWarning = onWarning;
  }

  /** The absolute path of the directory. */
  get path(): string {
    return this.#opened.files.path;
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
   * which also takes a bag that cannot be opened any more.
   *
   * @param options What to do.
   * @returns What each step found, as data to be printed.
   * @throws {QuiverError} When the bag was opened with `mode: "read"` and is to be repaired.
   */
  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    if (options.repair === true && this.readOnly) {
      throw new QuiverError(`Cannot repair "${this.path}": it was opened with mode: "read"`);
    }
    return await verifyBag(this.path, options);
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
   *   const { bytes } = await bag.compact({ grace: 0 });
   *   assertEquals(bytes > 8000, true);
   * }
   * await Deno.remove(path, { recursive: true });
   * ```
   */
  async compact(options: GcOptions = {}): Promise<SweepResult> {
    const { collectGarbage } = await importLater<Tidying>(
      "./tidy_cache.ts",
      import.meta.url,
    );
    return await collectGarbage(this.stores, options, { full: true });
  }

  /**
   * Folds what is not sealed, and lets go of the directory; may be called twice.
   *
   * @throws When the fold failed; the directory was let go of, and nothing is lost.
   */
  close(): Promise<void> {
    return this.#opened.files.close();
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
  const { onWarning = writeWarning, ...bagOptions } = options;
  const { openBagStores } = await importLater<BagStores>(
    "../store/open_stores.ts",
    import.meta.url,
  );
  return new Bag(await openBagStores(path, bagOptions), onWarning);
}
