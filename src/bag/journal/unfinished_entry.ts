/**
 * What the death of a writer or a loss of power leaves of an entry that was never acknowledged: the
 * begin of it, or nothing, and then zeros if a later write has reached the disk before it. The header
 * of a large payload is a write of its own, so that the one may be there without the other.
 *
 * @module
 */
import { crc32 } from "node:zlib";
import { type FilePlace, readAt } from "../../disk/file_system.ts";
import { toViewed } from "../table/digest_table.ts";
import { decodeHeader, HEADER_BYTES, isHeaderBegin } from "./journal_format.ts";

/** Where in a header its checksum stands. */
const CHECK_AT = HEADER_BYTES - 4;

/**
 * Tells whether bytes that are no entry are left of one that was never acknowledged.
 *
 * @param file The journal.
 * @param gap Where the bytes are: between two entries, or behind the last one.
 * @param isLast Whether the journal ends with them.
 */
export function isUnfinishedGap(
  file: Deno.FsFile,
  { offset, length }: FilePlace,
  isLast: boolean,
): boolean {
  const head = toViewed(new Uint8Array(Math.min(length, HEADER_BYTES)));
  if (!readAt(file, offset, head.bytes)) return false;
  if (isLast && length < HEADER_BYTES) return isTornHeader(head.bytes, length);
  if (length < HEADER_BYTES) return false;
  if (isLast && decodeHeader(head, 0) !== undefined) return true;
  return isTornHeader(head.bytes, HEADER_BYTES - 1);
}

/**
 * Tells whether the end of an entry never reached the disk: then zeros are in its place.
 *
 * @param file The journal.
 * @param end Where the entry ends.
 * @param count How many bytes are zeros at the least.
 */
export function endsInZeros(file: Deno.FsFile, end: number, count: number): boolean {
  const last = new Uint8Array(count);
  return readAt(file, end - count, last) && last.every((byte) => byte === 0);
}

/** Whether bytes are the begin of a header, or nothing of one, and then zeros. */
function isTornHeader(bytes: Uint8Array<ArrayBuffer>, most: number): boolean {
  const written = bytes.subarray(0, bytes.findLastIndex((byte) => byte !== 0) + 1);
  if (written.length > most || !isHeaderBegin(toViewed(written))) return false;
  const digits = written.subarray(CHECK_AT);
  if (digits.length === 0) return true;
  const check = new DataView(new ArrayBuffer(4));
  check.setUint32(0, crc32(written.subarray(0, CHECK_AT)), true);
  return digits.every((byte, i) => byte === check.getUint8(i));
}
