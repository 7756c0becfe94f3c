import type { Digest } from "../value/value.ts";
import type { LeaseLock } from "./bag_files.ts";
import type { CacheGuard } from "./cache_guard.ts";
import type { LeaseDirectory } from "./lease_directory.ts";

/** What caches have in common that keep leases in a directory: who computes what, and who waits. */
export abstract class LeasedFiles implements AsyncDisposable {
  readonly #guard: CacheGuard;
  readonly #leases: LeaseDirectory;
  /** Values that are there, and are not what their digest says. */
  protected readonly rejected: Set<Digest> = new Set();

  /**
   * Takes what the cache stands on.
   *
   * @param guard Says what may be done.
   * @param leases Who computes what.
   */
  constructor(guard: CacheGuard, leases: LeaseDirectory) {
    this.#guard = guard;
    this.#leases = leases;
  }

  /** As the interface says. */
  rejectValue(digest: Digest): boolean {
    this.rejected.add(digest);
    return false;
  }

  /** As the interface says. */
  tryLease(key: Digest): LeaseLock | undefined {
    this.#guard.checkWritable("take a lease in");
    return this.#leases.tryAcquire(key);
  }

  /** As the interface says. */
  revokeLease(key: Digest): void {
    this.#guard.checkWritable("revoke a lease in");
    this.#leases.revoke(key);
  }

  /** As the interface says. */
  abstract deleteCall(key: Digest): boolean;

  /** Takes a call back whose lease was revoked after the last look: then it was not to be put. */
  protected keepUnlessRevoked(key: Digest, lease: LeaseLock | undefined): boolean {
    if (lease === undefined || !lease.revoked) return true;
    this.deleteCall(key);
    return false;
  }

  /** As the interface says. */
  leaseChanged(key: Digest, signal?: AbortSignal): Promise<void> {
    return this.#leases.changed(key, () => this.#guard.checkOpen("wait for a lease in"), signal);
  }

  /** As the interface says. */
  tellWaits(note?: Record<string, unknown>): void {
    this.#guard.checkWritable("wait in");
    this.#leases.tellWaits(note);
  }

  /** As the interface says. */
  readWaits(): Record<string, unknown>[] {
    this.#guard.checkOpen("read from");
    return this.#leases.readWaits();
  }

  /** Lets go of the leases, and of what a cache has beside them; may be called twice. */
  close(): Promise<void> {
    return Promise.try(() => {
      if (!this.#guard.close()) return;
      this.#leases[Symbol.dispose]();
      this.release();
    });
  }

  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Lets go of what the cache has beside its leases, once. */
  protected abstract release(): void;
}
