/**
 * Headers and dimensions of a journal's entries, as `FORMAT.md` specifies them ("Journals").
 *
 * @module
 */
import { crc32 } from "node:zlib";
import type { ReadBytes } from "../../disk/file_system.ts";
import type { PayloadDescription } from "../../disk/payload.ts";
import { getLength, setLength, type ViewedBytes } from "../table/digest_table.ts";

/** The size of a header in bytes. */
export const HEADER_BYTES = 56;

const MAGIC = 0x4a525651;
const MAGIC_FIRST_BYTE = MAGIC & 0xff;

/** What a header says of the payload that follows it. */
export interface JournalHeader extends PayloadDescription {
  /** The number of dimensions whose lengths stand behind the payload; none if absent. */
  readonly rank?: number;
}

/**
 * Writes a header into a buffer, at its begin.
 *
 * @param header What the header says.
 */
export function encodeHeader(buffer: ViewedBytes, header: JournalHeader): void {
  const { bytes, view } = buffer;
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, header.kind, true);
  view.setUint16(6, header.rank ?? 0, true);
  setLength(view, 8, header.length);
  bytes.subarray(16, 48).setFromHex(header.digest);
  view.setUint32(48, header.crc, true);
  view.setUint32(52, crc32(bytes.subarray(0, 52)), true);
}

/**
 * Reads a header.
 *
 * @param at Where in the buffer the header begins.
 * @returns The header, or `undefined` when these 56 bytes are none.
 */
export function decodeHeader(buffer: ViewedBytes, at: number): JournalHeader | undefined {
  const { bytes, view } = buffer;
  if (view.getUint32(at, true) !== MAGIC) return undefined;
  if (view.getUint32(at + 52, true) !== crc32(bytes.subarray(at, at + 52))) return undefined;
  const rank = view.getUint16(at + 6, true);
  const header = {
    digest: bytes.subarray(at + 16, at + 48).toHex(),
    kind: view.getUint16(at + 4, true),
    length: getLength(view, at + 8),
    crc: view.getUint32(at + 48, true),
  };
  return rank === 0 ? header : { ...header, rank };
}

/**
 * Tells how many bytes stand behind the payload of an entry.
 *
 * @param header The header of the entry.
 * @returns The size of its dimensions in bytes, 0 without any.
 */
export function toShapeBytes({ rank = 0 }: JournalHeader): number {
  return rank === 0 ? 0 : rank * 8 + 4;
}

/**
 * Makes the bytes of the dimensions of an entry.
 *
 * @param shape The lengths of the dimensions.
 * @returns The bytes, which stand behind the payload.
 */
export function encodeShape(shape: readonly number[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(shape.length * 8 + 4);
  const view = new DataView(bytes.buffer);
  shape.forEach((length, i) => setLength(view, i * 8, length));
  view.setUint32(shape.length * 8, crc32(bytes.subarray(0, shape.length * 8)), true);
  return bytes;
}

/**
 * Reads the dimensions of an entry.
 *
 * @param bytes What stands behind the payload.
 * @returns The lengths of the dimensions, or `undefined` when they are damaged.
 */
function decodeShape(bytes: Uint8Array): number[] | undefined {
  const end = bytes.length - 4;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(end, true) !== crc32(bytes.subarray(0, end))) return undefined;
  return Array.from({ length: end / 8 }, (_, i) => getLength(view, i * 8));
}

/**
 * Tells whether a few bytes can be the begin of a header.
 *
 * @param buffer Less than a header.
 * @returns Whether a header may begin so.
 */
export function isHeaderBegin({ bytes }: ViewedBytes): boolean {
  return bytes.subarray(0, 4).every((byte, i) => byte === ((MAGIC >>> (8 * i)) & 0xff));
}

/**
 * Finds where the next header may begin.
 *
 * @param from Where to begin.
 * @param end Where the buffer's content ends.
 * @returns A position before `end`, or `end`.
 */
export function findHeader(buffer: ViewedBytes, from: number, end: number): number {
  const at = buffer.bytes.indexOf(MAGIC_FIRST_BYTE, from);
  return at === -1 || at > end ? end : at;
}

/**
 * Reads the dimensions that stand behind the payload of a journal's entry.
 *
 * @param read Reads bytes from where the payload begins.
 * @param header What the entry is.
 * @returns The shape; none for one dimension, or when it is damaged: nothing else depends on it.
 */
export function readShape(
  read: ReadBytes,
  header: JournalHeader,
): { readonly shape?: readonly number[] } {
  if (header.rank === undefined) return {};
  const bytes = new Uint8Array(toShapeBytes(header));
  if (!read(header.length, bytes)) return {};
  const shape = decodeShape(bytes);
  return shape === undefined ? {} : { shape };
}
