import { createSha256 } from "../base/sha256.ts";
import { type ArrayKindName, type ArrayValue, bytesOf } from "./object_type.ts";
import { type EncodedPart, VALUE_KIND } from "./value.ts";
import { DIGEST_SCHEME } from "./digest/byte_sink.ts";

/**
 * Makes the part that an array or buffer is stored as, in one pass over its bytes.
 *
 * @param value The array, view or buffer.
 * @returns Its digest, kind and bytes.
 */
export function toArrayPart(value: ArrayValue, name: ArrayKindName): EncodedPart {
  const bytes = bytesOf(value);
  const kind = VALUE_KIND[name];
  const header = [DIGEST_SCHEME, kind];
  let rest = bytes.length;
  for (; rest > 127; rest = Math.floor(rest / 128)) header.push((rest % 128) + 128);
  header.push(rest);
  const hash = createSha256().update(Uint8Array.from(header)).update(bytes);
  return { digest: hash.digest("hex"), kind, bytes };
}
