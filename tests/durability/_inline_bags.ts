import { Bag } from "../../src/cache/stored_cache.ts";
import type { BackupOptions, BackupResult } from "../../src/bag/backup/backup_options.ts";
import { DISK, type FileSystem } from "../../src/disk/file_system.ts";
import type { BagOptions } from "../../src/disk/disk_storage.ts";
import type { Hdf5Access } from "../../src/bag/hdf5/access.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import type { VerifyOptions, VerifyReport } from "../../src/bag/verify/report.ts";
import { createDiskStores } from "../../src/store/open_stores.ts";
import { InlineFoldRunner, loadHdf5Library } from "../bag/_inline_fold_runner.ts";

/**
 * Works on bags in this isolate, with the HDF5 library loaded once: a program that folds so spends
 * its time on the disk, where it is to be killed, and not on starting workers.
 */
export class InlineBags {
  readonly #fileSystem: FileSystem;
  readonly #load: () => Promise<Hdf5Access>;

  /** Works on a disk; the library is loaded with the first file. */
  constructor(fileSystem: FileSystem = DISK, load: () => Promise<Hdf5Access> = createLoad()) {
    this.#fileSystem = fileSystem;
    this.#load = load;
  }

  /** The same on another disk. */
  on(fileSystem: FileSystem): InlineBags {
    return new InlineBags(fileSystem, this.#load);
  }

  /** Opens a bag that folds in this isolate. */
  async open(path: string, options: BagOptions = {}): Promise<Bag> {
    const fileSystem = this.#fileSystem;
    const runner = new InlineFoldRunner(fileSystem, this.#load);
    const files = await openBagFiles(path, options, { fileSystem, runner });
    const opened = {
      files,
      stores: createDiskStores(files, { type: "bag", path: files.path, options: {} }),
      [Symbol.asyncDispose]: () => files.close(),
    };
    return new Bag(opened, ({ message, cause }) => {
      throw new Error(message, { cause });
    });
  }

  /** Backs up a bag in this isolate. */
  async backUp(
    root: string,
    directory: string,
    options: BackupOptions = {},
  ): Promise<BackupResult> {
    const { backupBag } = await import("../../src/bag/backup/backup_bag.ts");
    return await backupBag({ root, directory, writable: true, ...options }, {
      fileSystem: this.#fileSystem,
      loadLibrary: this.#load,
    });
  }

  /** Checks a bag in this isolate. */
  async verify(path: string, options: VerifyOptions): Promise<VerifyReport> {
    const { verifyStores } = await import("../../src/store/verify/verify_stores.ts");
    return await verifyStores(path, options, {
      fileSystem: this.#fileSystem,
      loadLibrary: this.#load,
    });
  }
}

function createLoad(): () => Promise<Hdf5Access> {
  let library: Promise<Hdf5Access> | undefined;
  return () => library ??= loadHdf5Library();
}
