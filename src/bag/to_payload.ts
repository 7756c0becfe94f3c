import { type Payload, toKindName, type ValueKind } from "../value/value.ts";

/**
 * Makes a payload of what was read.
 *
 * @param kind The number of the kind, as it stood in the file.
 * @param bytes The bytes.
 * @returns The payload, or `undefined` when this version does not know the kind.
 */
export function toPayload(kind: number, bytes: Uint8Array<ArrayBuffer>): Payload | undefined {
  return isValueKind(kind) ? { kind, bytes } : undefined;
}

function isValueKind(kind: number): kind is ValueKind {
  return toKindName(kind) !== undefined;
}
