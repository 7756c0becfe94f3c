import type { Digest } from "../value/value.ts";

const DIGEST_BYTES = 32;

/** A set of digests in one buffer, which another isolate gets without a copy. */
export class DigestSet {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView<ArrayBuffer>;

  private constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /**
   * Takes digests in.
   *
   * @param digests The digests, each once.
   * @returns The set.
   */
  static of(digests: Iterable<Digest>): DigestSet {
    const sorted = Array.from(digests).sort();
    const bytes = new Uint8Array(sorted.length * DIGEST_BYTES);
    sorted.forEach((digest, i) => bytes.subarray(i * DIGEST_BYTES).setFromHex(digest));
    return new DigestSet(bytes);
  }

  /**
   * Takes what {@linkcode DigestSet.bytes} gave.
   *
   * @param bytes The digests in their order, 32 bytes each.
   * @returns The set.
   */
  static from(bytes: Uint8Array<ArrayBuffer>): DigestSet {
    return new DigestSet(bytes);
  }

  /** The digests in their order, 32 bytes each. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes;
  }

  /**
   * Tells whether a digest is in the set.
   *
   * @param digest The digest.
   * @returns Whether it is.
   */
  has(digest: Digest): boolean {
    const wanted = parseInt(digest.slice(0, 8), 16);
    let low = 0;
    let high = this.#bytes.length / DIGEST_BYTES;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#view.getUint32(middle * DIGEST_BYTES) < wanted) low = middle + 1;
      else high = middle;
    }
    for (let at = low * DIGEST_BYTES; at < this.#bytes.length; at += DIGEST_BYTES) {
      if (this.#view.getUint32(at) !== wanted) return false;
      if (this.#bytes.subarray(at, at + DIGEST_BYTES).toHex() === digest) return true;
    }
    return false;
  }
}
