import type { Digest } from "./encoded_value.ts";

const DIGEST_REGEXP = /^[0-9a-f]{64}$/;

/**
 * Stands for a value of which only the digest is known.
 *
 * Its own digest is that digest, and a value that holds it in the place of a large array has the
 * digest that it has with the array itself.
 */
export class DigestReference {
  /** The digest of the value. */
  readonly digest: Digest;

  /**
   * Creates the reference.
   *
   * @param digest The digest of the value, in full.
   * @throws {SyntaxError} If that is no digest.
   */
  constructor(digest: Digest) {
    if (!DIGEST_REGEXP.test(digest)) {
      throw new SyntaxError(`Cannot refer to "${digest}": it is not a digest in full`);
    }
    this.digest = digest;
  }
}
