import { createHash } from "node:crypto";
import { type EncodedPart, VALUE_KIND, type ValueKindName } from "../../src/value/value.ts";

/** A digest of a text, for keys. */
export function toDigest(text: string | Uint8Array): string {
  return createHash("sha256").update(text).digest("hex");
}

/** A value whose bytes follow from its name, under the digest of its bytes. */
export function createPart(
  name: string,
  length: number,
  kind: ValueKindName = "cbor",
): EncodedPart {
  const bytes = new Uint8Array(length);
  const seed = createHash("sha256").update(name).digest();
  for (let i = 0; i < length; i++) bytes[i] = (seed[i % 32] ?? 0) ^ (i >> 5);
  return { kind: VALUE_KIND[kind], bytes, digest: toDigest(bytes) };
}
