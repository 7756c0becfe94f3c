import { decodeValue } from "./codec/decode_value.ts";
import { digestValue } from "./digest/digest_value.ts";
import type { Digest, Payload } from "./value.ts";

/**
 * Tells whether a payload, which may be anything, is what a digest is of.
 *
 * @param payload The payload; its bytes are free to be used.
 * @param load Gives the parts, whose bytes are free to be used as well.
 * @returns Whether it decodes to a value of that digest.
 */
export function isPayloadOf(
  digest: Digest,
  payload: Payload,
  load: (digest: Digest) => Payload | undefined,
): boolean {
  try {
    return digestValue(decodeValue(payload, load)) === digest;
  } catch {
    // Whatever a decoder or digester says of bytes that are whole: they are no value's.
    return false;
  }
}
