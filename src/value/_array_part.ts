import { createSha256 } from "../base/sha256.ts";
import { type ArrayKindName, type ArrayValue, bytesOf } from "./_array_bytes.ts";
import { DIGEST_SCHEME } from "./_canonical_tags.ts";
import type { EncodedPart } from "./encoded_value.ts";
import { VALUE_KIND } from "./value_kind.ts";

/**
 * Makes the part that an array or buffer is stored as, in one pass over its bytes.
 *
 * @param value The array, view or buffer.
 * @param name Its kind.
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
