/**
 * A file that holds one value, of a file cache.
 *
 * ```text
 * offset  bytes
 *      0      4  "QVF1"
 *      4      4  kind, as in `value.ts`
 *      8      4  checksum (`payload.ts`)
 *     12      4  length of the payload in bytes
 *     16      …  payload
 * ```
 *
 * Numbers are little-endian. The file's name is the digest of the value.
 *
 * @module
 */
import type { Digest, EncodedPart, Payload } from "../value/value.ts";
import { openIfThere, readAt } from "../disk/file_system.ts";
import { toPayload, toPayloadCheck } from "../disk/payload.ts";

const MAGIC = 0x31465651;
const HEADER_BYTES = 16;

/**
 * Makes the header of a value's file; the payload follows it.
 *
 * @param part The value.
 * @returns The header.
 */
export function encodeValueHeader(part: EncodedPart): Uint8Array {
  const header = new DataView(new ArrayBuffer(HEADER_BYTES));
  header.setUint32(0, MAGIC, true);
  header.setUint32(4, part.kind, true);
  header.setUint32(8, toPayloadCheck(part.digest, part), true);
  header.setUint32(12, part.bytes.length, true);
  return new Uint8Array(header.buffer);
}

/**
 * Reads a value's file.
 *
 * @param path The file.
 * @param digest The digest of the value.
 * @returns The payload, or `undefined` when the file is missing or damaged.
 */
export function readValueFile(path: string, digest: Digest): Payload | undefined {
  using file = openIfThere(path);
  if (file === undefined) return undefined;
  const length = file.seekSync(0, Deno.SeekMode.End) - HEADER_BYTES;
  const header = new DataView(new ArrayBuffer(HEADER_BYTES));
  if (length < 0 || !readAt(file, 0, new Uint8Array(header.buffer))) return undefined;
  if (header.getUint32(0, true) !== MAGIC || header.getUint32(12, true) !== length) {
    return undefined;
  }
  const bytes = new Uint8Array(length);
  if (!readAt(file, HEADER_BYTES, bytes)) return undefined;
  const payload = toPayload(header.getUint32(4, true), bytes);
  if (payload === undefined) return undefined;
  return toPayloadCheck(digest, payload) === header.getUint32(8, true) ? payload : undefined;
}
