import type { Digest } from "../value/value.ts";
import { DISK, type FileSystem } from "./_file_system.ts";
import type { LeaseLock } from "./bag_files.ts";
import { clearOwnFiles, type OwnFileLayout } from "./own_file.ts";
import { WaitNotes } from "./wait_notes.ts";
import {
  clearLeases,
  isLeaseFree,
  type LeaseLayout,
  revokeLease,
  tryLease,
  waitUntil,
} from "./lease_lock.ts";

/** Leases in a directory of lock files, for caches on disk that are not bags. */
export class LeaseDirectory implements Disposable {
  readonly #fileSystem: FileSystem;
  readonly #layout: LeaseLayout & OwnFileLayout;
  readonly #waits: WaitNotes;

  /**
   * Names the directory; nothing is written yet.
   *
   * @param path The directory.
   * @param fileSystem The seam.
   */
  constructor(path: string, fileSystem: FileSystem = DISK) {
    this.#fileSystem = fileSystem;
    this.#layout = { leases: path, locks: path };
    this.#waits = new WaitNotes(fileSystem, this.#layout);
  }

  /** Makes the directory, and clears away what holders left that were killed. */
  open(): void {
    this.#fileSystem.makeDirectory(this.#layout.leases);
    clearLeases(this.#fileSystem, this.#layout);
    clearOwnFiles(this.#fileSystem, this.#layout);
  }

  /**
   * Runs what only one handle may do at a time, such as creating a cache.
   *
   * @typeParam T What the function returns.
   * @param fn The function.
   * @returns What the function returns.
   */
  exclusively<T>(fn: () => T): T {
    const path = `${this.#layout.leases}/opening.lock`;
    using file = this.#fileSystem.open(path, { read: true, write: true, create: true });
    file.lockSync(true);
    try {
      return fn();
    } finally {
      file.unlockSync();
    }
  }

  /**
   * Takes the lease of a key if it is free.
   *
   * @param key The key of the call.
   * @returns The lease, or `undefined` when somebody holds it.
   */
  tryAcquire(key: Digest): LeaseLock | undefined {
    return tryLease(this.#fileSystem, this.#layout, key);
  }

  /**
   * Tells whoever holds the lease of a key that its result is not to be kept.
   *
   * @param key The key of the call.
   */
  revoke(key: Digest): void {
    revokeLease(this.#fileSystem, this.#layout, key);
  }

  /**
   * Tells all who use the cache what calls here wait for, in place of what was told before.
   *
   * @param note What they are to know; nothing, if not given.
   */
  tellWaits(note?: Record<string, unknown>): void {
    this.#waits.write(note);
  }

  /**
   * Reads what the others tell.
   *
   * @returns A note of each handle that lives and has something to tell.
   */
  readWaits(): Record<string, unknown>[] {
    return this.#waits.read();
  }

  /** Removes what this handle tells. */
  [Symbol.dispose](): void {
    this.#waits[Symbol.dispose]();
  }

  /**
   * Waits until the lease of a key may be free. Its holder stores the result before it frees it.
   *
   * @param key The key of the call.
   * @param check Throws when waiting makes no sense any more.
   * @param signal Ends the wait with the signal's reason.
   */
  changed(key: Digest, check: () => void, signal?: AbortSignal): Promise<void> {
    return waitUntil(() => {
      check();
      return isLeaseFree(this.#layout, key);
    }, signal);
  }
}
