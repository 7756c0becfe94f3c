import type { FileSystem } from "../../src/disk/file_system.ts";
import type { CompactRequest, FoldRunner } from "../../src/bag/fold/scheduler.ts";
import type { RebuiltIndex } from "../../src/bag/segment/rebuild_index.ts";
import type { CompactResult, FoldResult } from "../../src/disk/disk_storage.ts";
import { compactBag, foldBag, rebuildBag } from "../../src/bag/fold/fold.ts";
import type { Hdf5Access } from "../../src/bag/hdf5/access.ts";
import { toLayout } from "../../src/disk/layout.ts";
import { UNSYNCED_DISK } from "./_unsynced_disk.ts";

let library: Promise<Hdf5Access> | undefined;

/**
 * Loads the HDF5 library, which takes a tenth of a second, where there is something to fold; once, as
 * each time leaves a directory behind in its memory.
 */
export function loadHdf5Library(): Promise<Hdf5Access> {
  return library ??= load();
}

async function load(): Promise<Hdf5Access> {
  const { Hdf5Library } = await import("../../src/bag/hdf5/library.ts");
  return await Hdf5Library.load();
}

/** Folds in this isolate, where a test can let it fail. */
export class InlineFoldRunner implements FoldRunner {
  readonly #fileSystem: FileSystem;
  readonly #loadLibrary: () => Promise<Hdf5Access>;

  constructor(
    fileSystem: FileSystem = UNSYNCED_DISK,
    loadLibrary: () => Promise<Hdf5Access> = loadHdf5Library,
  ) {
    this.#fileSystem = fileSystem;
    this.#loadLibrary = loadLibrary;
  }

  fold(root: string): Promise<FoldResult | undefined> {
    return foldBag(toLayout(root), this.#environment);
  }

  rebuild(root: string, write: boolean): Promise<RebuiltIndex[]> {
    return rebuildBag(toLayout(root), this.#environment, write);
  }

  compact(root: string, request: CompactRequest): Promise<CompactResult> {
    return compactBag(toLayout(root), this.#environment, request);
  }

  get #environment() {
    return { fileSystem: this.#fileSystem, loadLibrary: this.#loadLibrary };
  }
}
