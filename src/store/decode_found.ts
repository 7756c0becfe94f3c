import { decodeValue, MissingPartError } from "../value/codec/decode_value.ts";
import type { Digest, Payload } from "../value/value.ts";
import type { Found } from "./stores.ts";

/**
 * Decodes a value whose parts lie in a store. A part that is gone or damaged is a miss, like the
 * value itself: computing the call again heals it.
 *
 * @param digest The digest of the value.
 * @param load Reads a payload that the decoder may keep.
 * @returns The value, or a miss.
 */
export function decodeFound(
  digest: Digest,
  load: (digest: Digest) => Payload | undefined,
): Found<unknown> {
  const payload = load(digest);
  if (payload === undefined) return { hit: false };
  try {
    return { hit: true, value: decodeValue(payload, load) };
  } catch (error) {
    if (error instanceof MissingPartError) return { hit: false };
    throw error;
  }
}
