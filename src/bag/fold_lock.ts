import { type FileSystem, openIfThere, openShared } from "../disk/file_system.ts";
import type { BagLayout } from "../disk/layout.ts";

/** The right to change segments and the manifest; one holder at a time. */
export class FoldLock implements Disposable {
  readonly #file: Deno.FsFile | undefined;

  private constructor(file: Deno.FsFile | undefined) {
    this.#file = file;
  }

  /**
   * Takes the lock if it is free.
   *
   * @param fileSystem The seam.
   * @param layout The bag's paths.
   * @returns The lock, or `undefined` when another folds.
   */
  static tryTake(fileSystem: FileSystem, layout: BagLayout): FoldLock | undefined {
    const file = openLock(fileSystem, layout);
    if (file.tryLockSync(true)) return new FoldLock(file);
    file.close();
    return undefined;
  }

  /**
   * Takes the lock, after whoever holds it.
   *
   * @param fileSystem The seam.
   * @param layout The bag's paths.
   * @returns The lock.
   */
  static async take(fileSystem: FileSystem, layout: BagLayout): Promise<FoldLock> {
    const file = openLock(fileSystem, layout);
    await file.lock(true);
    return new FoldLock(file);
  }

  /**
   * Tells whether somebody holds the lock, without taking it.
   *
   * @param layout The bag's paths.
   * @returns Whether another folds now.
   */
  static isHeld(layout: BagLayout): boolean {
    using file = openIfThere(layout.foldLock);
    if (file === undefined) return false;
    // Shared, so that two who only look do not see each other.
    if (!file.tryLockSync(false)) return true;
    file.unlockSync();
    return false;
  }

  /**
   * Takes the lock if it is free, in a bag that may not be written to.
   *
   * @param layout The bag's paths.
   * @returns The lock, or `undefined` when somebody folds. Where there is no file to lock, as in a
   * copy of a bag, nobody folds.
   */
  static tryHold(layout: BagLayout): FoldLock | undefined {
    const file = openIfThere(layout.foldLock);
    if (file === undefined || file.tryLockSync(true)) return new FoldLock(file);
    file.close();
    return undefined;
  }

  /** Frees the lock. */
  [Symbol.dispose](): void {
    this.#file?.unlockSync();
    this.#file?.close();
  }
}

function openLock(fileSystem: FileSystem, layout: BagLayout): Deno.FsFile {
  return openShared(fileSystem, layout.foldLock, { write: true });
}
