import { childrenOf, isArrayKind, isArrayValue, toObjectType } from "./object_type.ts";
import { toArrayPart } from "./digest/canonical_writer.ts";
import { findFirst } from "./digest/refusal.ts";
import type { EncodedPart } from "./value.ts";

/**
 * Digests an array or a buffer, as the part of a value that it is stored as.
 *
 * @param value The array, view or buffer.
 * @returns Its digest, kind and bytes.
 * @throws {TypeError} When it is no such thing.
 */
export function toPart(value: object): EncodedPart {
  const type = toObjectType(value);
  if (isArrayKind(type) && isArrayValue(value, type)) return toArrayPart(value, type);
  throw new TypeError(`Cannot digest a buffer: it is a ${type}`);
}

/**
 * Finds something among arguments.
 *
 * @param wanted What to look for, by identity.
 * @returns The path to it, such as `args[0].samples`; `"args"` when it is not there.
 */
export function pathTo(args: readonly unknown[], wanted: unknown): string {
  const enter = (value: unknown) => value === wanted ? "wanted" : undefined;
  return findFirst(args, "args", { enter, children: childrenOf })?.path ?? "args";
}
