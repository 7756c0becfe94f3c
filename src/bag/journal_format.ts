/**
 * The format of a journal: entries one after another, each a header of 56 bytes and a payload.
 *
 * | bytes | what |
 * | --- | --- |
 * | 0 | magic `0x4a525651` |
 * | 4 | kind, u32 |
 * | 8 | length of the payload, u64 |
 * | 16 | digest, 32 bytes |
 * | 48 | CRC-32 of the payload |
 * | 52 | CRC-32 of the 52 bytes before |
 *
 * @module
 */
import { crc32 } from "node:zlib";
import type { Digest } from "../value/encoded_value.ts";

/** The size of a header in bytes. */
export const HEADER_BYTES = 56;

const MAGIC = 0x4a525651;
const MAGIC_FIRST_BYTE = MAGIC & 0xff;

/** What a header says of the payload that follows it. */
export interface JournalHeader {
  /** The digest of the value. */
  readonly digest: Digest;
  /** How to read the payload. */
  readonly kind: number;
  /** The length of the payload in bytes. */
  readonly length: number;
  /** The CRC-32 of the payload. */
  readonly crc: number;
}

/** Bytes with a view of them, so that none is made for each number. */
export interface JournalBuffer {
  /** The bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same bytes. */
  readonly view: DataView<ArrayBuffer>;
}

/**
 * Makes a buffer.
 *
 * @param size Its size in bytes.
 * @returns The buffer.
 */
export function createJournalBuffer(size: number): JournalBuffer {
  const bytes = new Uint8Array(size);
  return { bytes, view: new DataView(bytes.buffer) };
}

/**
 * Writes a header into a buffer, at its begin.
 *
 * @param buffer The buffer.
 * @param header What the header says.
 */
export function encodeHeader(buffer: JournalBuffer, header: JournalHeader): void {
  const { bytes, view } = buffer;
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, header.kind, true);
  setLength(view, 8, header.length);
  bytes.subarray(16, 48).setFromHex(header.digest);
  view.setUint32(48, header.crc, true);
  view.setUint32(52, crc32(bytes.subarray(0, 52)), true);
}

/**
 * Reads a header.
 *
 * @param buffer The buffer.
 * @param at Where in the buffer the header begins.
 * @returns The header, or `undefined` when these 56 bytes are none.
 */
export function decodeHeader(buffer: JournalBuffer, at: number): JournalHeader | undefined {
  const { bytes, view } = buffer;
  if (view.getUint32(at, true) !== MAGIC) return undefined;
  if (view.getUint32(at + 52, true) !== crc32(bytes.subarray(at, at + 52))) return undefined;
  return {
    digest: bytes.subarray(at + 16, at + 48).toHex(),
    kind: view.getUint32(at + 4, true),
    length: getLength(view, at + 8),
    crc: view.getUint32(at + 48, true),
  };
}

/**
 * Tells whether a few bytes can be the begin of a header.
 *
 * @param buffer Less than a header.
 * @returns Whether a header may begin so.
 */
export function isHeaderBegin({ bytes }: JournalBuffer): boolean {
  return bytes.subarray(0, 4).every((byte, i) => byte === ((MAGIC >>> (8 * i)) & 0xff));
}

/**
 * Finds where the next header may begin.
 *
 * @param buffer The buffer.
 * @param from Where to begin.
 * @param end Where the buffer's content ends.
 * @returns A position before `end`, or `end`.
 */
export function findHeader(buffer: JournalBuffer, from: number, end: number): number {
  const at = buffer.bytes.indexOf(MAGIC_FIRST_BYTE, from);
  return at === -1 || at > end ? end : at;
}

/**
 * Writes a length or position as u64.
 *
 * @param view Where to.
 * @param at The position in the view.
 * @param length A safe integer.
 */
export function setLength(view: DataView, at: number, length: number): void {
  view.setUint32(at, length >>> 0, true);
  view.setUint32(at + 4, Math.floor(length / 0x1_0000_0000), true);
}

/**
 * Reads a length or position that is a u64.
 *
 * @param view Where from.
 * @param at The position in the view.
 * @returns The number; exact up to 2^53.
 */
export function getLength(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}
