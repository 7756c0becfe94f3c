import { crc32 } from "node:zlib";
import { getLength, setLength } from "./journal_format.ts";
import { ROW_BYTES } from "./table_row.ts";

/** The version of the tables' format. */
export const TABLE_VERSION = 1;

/** The size of a table's header in bytes. */
export const TABLE_HEADER_BYTES = 64;

const MAGIC = new TextEncoder().encode("QVRTABLE");

/** What a table is of. */
export interface TableSubject {
  /** What the table is for. */
  readonly purpose: number;
  /** How long the file was that the rows point into, in bytes. */
  readonly length: number;
  /** A checksum of that file. */
  readonly check: number;
}

/** What the header of a table says. */
export interface TableHeader {
  /** What the table is of. */
  readonly subject: TableSubject;
  /** The number of rows. */
  readonly size: number;
  /** The CRC-32 of the rows. */
  readonly crc: number;
}

/**
 * Tells how long header and rows of a table are.
 *
 * @param rows The number of rows.
 * @returns The size in bytes; payloads inside the table begin there.
 */
export function toTableBytes(rows: number): number {
  return TABLE_HEADER_BYTES + rows * ROW_BYTES;
}

/**
 * Makes the header of a table.
 *
 * @param header What it says.
 * @returns The bytes.
 */
export function encodeTableHeader({ subject, size, crc }: TableHeader): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(TABLE_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(8, TABLE_VERSION, true);
  view.setUint32(12, subject.purpose, true);
  setLength(view, 16, size);
  setLength(view, 24, subject.length);
  view.setUint32(32, subject.check, true);
  view.setUint32(36, crc, true);
  view.setUint32(60, crc32(bytes.subarray(0, 60)), true);
  return bytes;
}

/**
 * Reads the header of a table.
 *
 * @param bytes The begin of the table's file.
 * @param purpose What the table must be for.
 * @returns The header, or `undefined` when it is damaged, for something else, or of another version.
 */
export function decodeTableHeader(
  bytes: Uint8Array<ArrayBuffer>,
  purpose: number,
): TableHeader | undefined {
  if (bytes.length < TABLE_HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, TABLE_HEADER_BYTES);
  const sound = MAGIC.every((byte, i) => byte === bytes[i]) &&
    view.getUint32(60, true) === crc32(bytes.subarray(0, 60)) &&
    view.getUint32(8, true) === TABLE_VERSION && view.getUint32(12, true) === purpose;
  if (!sound) return undefined;
  return {
    subject: { purpose, length: getLength(view, 24), check: view.getUint32(32, true) },
    size: getLength(view, 16),
    crc: view.getUint32(36, true),
  };
}
