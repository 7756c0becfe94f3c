import { crc32 } from "node:zlib";
import type { Digest, Payload } from "../value/value.ts";

const ENCODER = new TextEncoder();

/**
 * Computes the checksum of a payload with all that tells how to read it: a payload that lies under
 * another digest, or has got another kind, is damaged like one of which a bit has flipped.
 *
 * @param digest The digest of the value.
 * @param payload The payload.
 * @returns The CRC-32 of digest (as text), kind (a decimal number), a space, and the bytes.
 */
export function toPayloadCheck(digest: Digest, { kind, bytes }: Payload): number {
  return crc32(bytes, crc32(ENCODER.encode(`${digest}${kind} `)));
}
