import { createSha256 } from "../base/sha256.ts";
import { type ArrayKindName, type ArrayValue, bytesOf } from "./object_type.ts";
import { type Digest, type EncodedPart, VALUE_KIND } from "./value.ts";
import { DIGEST_SCHEME } from "./digest/byte_sink.ts";

/**
 * Makes the part that an array or buffer is stored as, in one pass over its bytes.
 *
 * @param value The array, view or buffer.
 * @returns Its digest, kind and bytes.
 */
export function toArrayPart(value: ArrayValue, name: ArrayKindName): EncodedPart {
  const bytes = bytesOf(value);
  const digest = new PartDigest(name, bytes.length);
  digest.update(bytes);
  return { digest: digest.end(), kind: VALUE_KIND[name], bytes };
}

/** Digests an array or a buffer of which pieces come one behind the other. */
export class PartDigest {
  readonly #hash = createSha256();

  /**
   * Begins.
   *
   * @param length The length of all pieces in bytes.
   */
  constructor(name: ArrayKindName, length: number) {
    const header = [DIGEST_SCHEME, VALUE_KIND[name]];
    let rest = length;
    for (; rest > 127; rest = Math.floor(rest / 128)) header.push((rest % 128) + 128);
    header.push(rest);
    this.#hash.update(Uint8Array.from(header));
  }

  /** Takes the next piece. */
  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** The digest of all pieces. */
  end(): Digest {
    return this.#hash.digest("hex");
  }
}
