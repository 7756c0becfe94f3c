import { QuiverError } from "../base/errors.ts";
import type { Digest } from "../value/value.ts";

const DIGEST_REGEXP = /^[0-9a-f]{64}$/;

/**
 * Tells whether a text is a digest in full, and so can be a part of a path.
 *
 * @param text The text.
 * @returns Whether it is.
 */
export function isDigest(text: string): boolean {
  return DIGEST_REGEXP.test(text);
}

/** Refuses what cannot be done with a cache on disk: when it is closed, read-only, or by a bad name. */
export class CacheGuard {
  readonly #name: string;
  readonly #mode: "readwrite" | "read";
  #closed = false;

  /**
   * Creates a guard that lets pass what the mode allows.
   *
   * @param name What the cache is called in errors, as in `the file cache "/results"`.
   * @param mode Whether the cache may be changed.
   */
  constructor(name: string, mode: "readwrite" | "read") {
    this.#name = name;
    this.#mode = mode;
  }

  /** From here on nothing passes. */
  close(): boolean {
    const first = !this.#closed;
    this.#closed = true;
    return first;
  }

  /**
   * Lets pass while the cache is open.
   *
   * @param action What is to be done, as in "read from".
   * @throws {QuiverError} If the cache is closed.
   */
  checkOpen(action: string): void {
    if (this.#closed) throw new QuiverError(`Cannot ${action} ${this.#name}: it is closed`);
  }

  /**
   * Lets pass while the cache is open and may be changed.
   *
   * @param action What is to be done, as in "put a value into".
   * @throws {QuiverError} If the cache is closed or read-only.
   */
  checkWritable(action: string): void {
    this.checkOpen(action);
    if (this.#mode === "readwrite") return;
    throw new QuiverError(`Cannot ${action} ${this.#name}: it was opened with mode: "read"`);
  }

  /**
   * Lets digests pass.
   *
   * @param action What is to be done, as in "put a value into".
   * @param digest What should be a digest.
   * @throws {TypeError} If it is none.
   */
  checkDigest(action: string, digest: Digest): void {
    if (isDigest(digest)) return;
    throw new TypeError(
      `Cannot ${action} ${this.#name} as "${digest}": ` +
        "a digest is 64 lower-case hexadecimal characters",
    );
  }
}
