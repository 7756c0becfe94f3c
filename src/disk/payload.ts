import { crc32 } from "node:zlib";
import type { StoredPart } from "./disk_storage.ts";
import { type Digest, type Payload, toKindName, type ValueKind } from "../value/value.ts";

const ENCODER = new TextEncoder();

/** What is known of a payload without reading it, and how to tell whether it is whole. */
export interface PayloadDescription extends StoredPart {
  /** The digest of the value. */
  readonly digest: Digest;
  /** The CRC-32 of the payload. */
  readonly crc: number;
}

/**
 * Computes the checksum of a payload with all that tells how to read it: a payload that lies under
 * another digest, or has got another kind, is damaged like one of which a bit has flipped.
 *
 * @param digest The digest of the value.
 * @returns The CRC-32 of digest (as text), kind (a decimal number), a space, and the bytes.
 */
export function toPayloadCheck(digest: Digest, { kind, bytes }: Payload): number {
  return crc32(bytes, crc32(ENCODER.encode(`${digest}${kind} `)));
}

/**
 * Makes a payload of what was read.
 *
 * @param kind The number of the kind, as it stood in the file.
 * @returns The payload, or `undefined` when this version does not know the kind.
 */
export function toPayload(kind: number, bytes: Uint8Array<ArrayBuffer>): Payload | undefined {
  return isValueKind(kind) ? { kind, bytes } : undefined;
}

function isValueKind(kind: number): kind is ValueKind {
  return toKindName(kind) !== undefined;
}
