import { Bag } from "@quiver/quiver";
import { DISK } from "../../src/bag/_file_system.ts";
import type { BagOptions } from "../../src/bag/bag_files.ts";
import { type Hdf5Access, Hdf5Library } from "../../src/bag/hdf5_library.ts";
import { openBagFiles } from "../../src/bag/open_bag_files.ts";
import type { VerifyOptions, VerifyReport } from "../../src/bag/verify_report.ts";
import { createBagStores } from "../../src/store/bag_stores.ts";
import { verifyStores } from "../../src/store/verify_stores.ts";
import { InlineFoldRunner } from "../bag/_inline_fold_runner.ts";

/**
 * Works on bags in this isolate, with the HDF5 library loaded once: a program that folds so spends
 * its time on the disk, where it is to be killed, and not on starting workers.
 */
export class InlineBags {
  #library: Promise<Hdf5Access> | undefined;
  readonly #load = (): Promise<Hdf5Access> => this.#library ??= Hdf5Library.load();

  /** Opens a bag that folds in this isolate. */
  async open(path: string, options: BagOptions = {}): Promise<Bag> {
    const runner = new InlineFoldRunner(DISK, this.#load);
    const files = await openBagFiles(path, options, { fileSystem: DISK, runner });
    const opened = {
      files,
      stores: createBagStores(files),
      [Symbol.asyncDispose]: () => files.close(),
    };
    return new Bag(opened, ({ message, cause }) => {
      throw new Error(message, { cause });
    });
  }

  /** Checks a bag in this isolate. */
  verify(path: string, options: VerifyOptions): Promise<VerifyReport> {
    return verifyStores(path, options, { fileSystem: DISK, loadLibrary: this.#load });
  }
}
