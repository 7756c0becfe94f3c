import { explainRefusal } from "./_refusal.ts";
import { writeArgument, writeExact } from "./_write_canonical.ts";
import type { Digest, EncodedPart } from "./encoded_value.ts";

export { DIGEST_SCHEME } from "./_canonical_tags.ts";
export { digestSymbol } from "./value_symbols.ts";

/** Options of {@linkcode digestValue} and {@linkcode digestArgument}. */
export interface DigestOptions {
  /**
   * What the value is called in the path of an error, such as `args[0]`.
   *
   * @default {"value"}
   */
  root?: string;
  /**
   * The large arrays whose digests are known already, by the object; those that are met are added.
   *
   * @default {new Map()}
   */
  parts?: Map<object, EncodedPart> | undefined;
}

/**
 * Digests a value exactly: the order of keys and entries counts, and so do shared references,
 * cycles and the stacks of errors. Values are stored under this digest.
 *
 * @param value Anything that structured clone carries, and instances with `[digestSymbol]()`.
 * @param options What to call the value.
 * @returns The SHA-256 of the value's canonical bytes.
 * @throws {IndigestibleError} If something in the value has no digest, or the value is nested too
 * deeply.
 */
export function digestValue(value: unknown, options: DigestOptions = {}): Digest {
  const { root = "value", parts } = options;
  return explainRefusal("digest", value, root, () => writeExact(value, parts).digest);
}

/**
 * Digests a value as an argument: the order of object keys, Map and Set entries is left out, and
 * so is what a caller would not think of: which objects are one and the same, stacks of errors,
 * missing prototypes. Keys of calls are made of this digest.
 *
 * @param value Anything that structured clone carries, and instances with `[digestSymbol]()`.
 * @param options What to call the value.
 * @returns The SHA-256 of the value's canonical bytes.
 * @throws {IndigestibleError} If something in the value has no digest, the value is nested too
 * deeply, or has more than 1 GiB when everything in it that is shared is written out.
 */
export function digestArgument(value: unknown, options: DigestOptions = {}): Digest {
  const { root = "value", parts } = options;
  return explainRefusal("digest", value, root, () => writeArgument(value, { parts }));
}
