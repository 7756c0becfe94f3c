/**
 * A row of a table under digests, as `FORMAT.md` specifies it ("Tables").
 *
 * @module
 */
import type { Digest } from "../value/value.ts";
import { getLength, setLength } from "./journal_format.ts";

/**
 * Where a payload lies: in the file that the table is of, in the table's own, or in the chunks of a
 * compressed dataset, of which the details tell.
 */
export const PLACE = { subject: 0, table: 1, chunks: 2 } as const;

/** The size of a row in bytes. */
export const ROW_BYTES = 64;

/** Where in a row the length of the payload stands. */
export const LENGTH_AT = 40;

/** The size of a digest in a row, in bytes. */
export const DIGEST_BYTES = 32;

/** One row of a table. */
export interface TableRow {
  /** The digest or key. */
  readonly digest: Digest;
  /** Where the payload begins, in bytes. */
  readonly offset: number;
  /** How long the payload is, in bytes. */
  readonly length: number;
  /** How to read the payload. */
  readonly kind: number;
  /** The CRC-32 of the payload. */
  readonly crc: number;
  /** Which file the offset points into. */
  readonly place: number;
  /** Where the details are, if there are any. */
  readonly details?: number;
}

/** Rows in memory, with a view of the same bytes. */
export interface RowBytes {
  /** The rows. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same bytes. */
  readonly view: DataView<ArrayBuffer>;
}

/**
 * Makes room for rows.
 *
 * @param rows How many.
 * @returns The room, filled with zeros.
 */
export function createRowBytes(rows: number): RowBytes {
  return toRowBytes(new Uint8Array(rows * ROW_BYTES));
}

/**
 * Takes bytes for rows.
 *
 * @param bytes The rows.
 * @returns The same bytes, with a view.
 */
export function toRowBytes(bytes: Uint8Array<ArrayBuffer>): RowBytes {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}

/**
 * Writes a row.
 *
 * @param rows Where to.
 * @param at Where in the bytes the row begins.
 * @param row The row.
 */
export function writeRow({ bytes, view }: RowBytes, at: number, row: TableRow): void {
  bytes.subarray(at, at + DIGEST_BYTES).setFromHex(row.digest);
  setLength(view, at + 32, row.offset);
  setLength(view, at + LENGTH_AT, row.length);
  view.setUint32(at + 48, row.kind, true);
  view.setUint32(at + 52, row.crc, true);
  view.setUint32(at + 56, row.place, true);
  view.setUint32(at + 60, row.details ?? 0, true);
}

/**
 * Reads a row.
 *
 * @param rows Where from.
 * @param at Where in the bytes the row begins.
 * @param digest The row's digest, where it is known already.
 * @returns The row.
 */
export function readRow(
  rows: RowBytes,
  at: number,
  digest: Digest = readDigest(rows, at),
): TableRow {
  const { view } = rows;
  const row = {
    digest,
    offset: getLength(view, at + 32),
    length: getLength(view, at + LENGTH_AT),
    kind: view.getUint32(at + 48, true),
    crc: view.getUint32(at + 52, true),
    place: view.getUint32(at + 56, true),
  };
  const details = view.getUint32(at + 60, true);
  return details === 0 ? row : { ...row, details };
}

/**
 * Reads the digest of a row.
 *
 * @param rows Where from.
 * @param at Where in the bytes the row begins.
 * @returns The digest.
 */
export function readDigest({ bytes }: RowBytes, at: number): Digest {
  return bytes.subarray(at, at + DIGEST_BYTES).toHex();
}

/**
 * The first four bytes of a digest as a number, by which rows are sorted and found.
 *
 * @param digest The digest.
 * @returns The number, from 0 to 2^32 - 1.
 */
export function toPrefix(digest: Digest): number {
  return parseInt(digest.slice(0, 8), 16);
}
