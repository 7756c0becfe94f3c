import type { Digest } from "../value/value.ts";
import { type FileSystem, removeIfThere } from "./_file_system.ts";
import type { LeaseLock } from "./bag_files.ts";
import type { BagLayout } from "./layout.ts";
import { isRevoked, revokeLease, skipMarks, toLeasePath, tryLease } from "./lease_lock.ts";
import { abandonOwnFile, createOwnFile, type OwnFile } from "./own_file.ts";

/** How many keys a file may have had before what was said of them is passed over. */
const MOST_KEYS = 64;

/** How many files are kept for the next leases. */
const KEPT_FILES = 16;

/**
 * Takes the leases of one handle.
 *
 * A lease is held by whoever holds the lock of the file that has the key's name in `leases/`. A
 * handle keeps files of its own in `locks/`, locked all the time, and takes a lease by giving one of
 * them the key as a second name: a link never replaces what is there, so only one can succeed. To
 * free the lease is to remove that name; two names of one file cost half of what a new file and its
 * lock cost. A file has one key at a time, so that a lease which a killed holder left behind can be
 * taken over by its lock alone.
 */
export class LeaseFiles implements Disposable {
  readonly #fileSystem: FileSystem;
  readonly #layout: BagLayout;
  /** The keys that a file has had since what was said of them was last passed over. */
  readonly #keys = new WeakMap<OwnFile, Set<Digest>>();
  /** Locked files that have no key now; `undefined` once they were let go of. */
  #idle: OwnFile[] | undefined = [];

  /**
   * Creates it; no file is made before the first lease.
   *
   * @param fileSystem The seam.
   * @param layout The bag's paths.
   */
  constructor(fileSystem: FileSystem, layout: BagLayout) {
    this.#fileSystem = fileSystem;
    this.#layout = layout;
  }

  /**
   * Takes the lease of a key if it is free.
   *
   * @param key The key of the call.
   * @returns The lease, or `undefined` when somebody holds it.
   */
  tryTake(key: Digest): LeaseLock | undefined {
    const path = toLeasePath(this.#layout, key);
    const own = this.#idle?.pop() ?? createOwnFile(this.#fileSystem, this.#layout, "lease");
    try {
      this.#fileSystem.link(own.path, path);
    } catch {
      // Somebody holds the key, or has left it behind; or files cannot have two names here, as on a
      // FAT disk. What else is wrong shows when the file itself is opened.
      this.#putBack(own);
      return tryLease(this.#fileSystem, this.#layout, key);
    }
    this.#forgetEarlier(own, key);
    return new Lease(key, own.file, () => this.#free(path, own));
  }

  /**
   * Tells whoever holds the lease of a key that its result is not to be kept.
   *
   * @param key The key of the call.
   * @returns Whether there may be such a holder.
   */
  revoke(key: Digest): boolean {
    return revokeLease(this.#fileSystem, this.#layout, key);
  }

  /** Only what was said of the same key can be mistaken; to look each time would cost 5 % of a miss. */
  #forgetEarlier(own: OwnFile, key: Digest): void {
    const keys = this.#keys.get(own) ?? new Set();
    if (keys.has(key) || keys.size >= MOST_KEYS) {
      skipMarks(own.file);
      keys.clear();
    }
    this.#keys.set(own, keys.add(key));
  }

  #free(path: string, own: OwnFile): void {
    try {
      // While the lock is held: nobody else can have put another file there.
      removeIfThere(this.#fileSystem, path);
    } catch (error) {
      // It still has the key's name, so only without its lock can others take the key.
      abandonOwnFile(this.#fileSystem, own);
      throw error;
    }
    this.#putBack(own);
  }

  #putBack(own: OwnFile): void {
    if (this.#idle !== undefined && this.#idle.length < KEPT_FILES) this.#idle.push(own);
    else abandonOwnFile(this.#fileSystem, own);
  }

  /** Lets go of the files that hold no lease; those that do are let go of with it. */
  [Symbol.dispose](): void {
    const idle = this.#idle ?? [];
    this.#idle = undefined;
    for (const own of idle) abandonOwnFile(this.#fileSystem, own);
  }
}

class Lease implements LeaseLock {
  readonly key: Digest;
  readonly #file: Deno.FsFile;
  #free: (() => void) | undefined;
  #revoked = false;

  constructor(key: Digest, file: Deno.FsFile, free: () => void) {
    this.key = key;
    this.#file = file;
    this.#free = free;
  }

  get revoked(): boolean {
    if (this.#free !== undefined && !this.#revoked) {
      this.#revoked = isRevoked(this.#file, this.key);
    }
    return this.#revoked;
  }

  [Symbol.dispose](): void {
    const free = this.#free;
    this.#free = undefined;
    free?.();
  }
}
