/**
 * A sorted table under digests, searched in place: `segments/<n>.index` and `calls.index`.
 *
 * A header of 64 bytes:
 *
 * | bytes | what |
 * | --- | --- |
 * | 0 | magic `QVRTABLE` |
 * | 8 | version, u32 |
 * | 12 | purpose, u32: 1 values, 2 calls |
 * | 16 | number of rows, u64 |
 * | 24 | length of the file that the rows point into, u64 |
 * | 32 | a checksum of that file, u32 (its meaning is the purpose's) |
 * | 36 | CRC-32 of the rows, u32 |
 * | 40 | reserved |
 * | 60 | CRC-32 of the 60 bytes before |
 *
 * then a row of 64 bytes for each digest, in the order of the digests: digest 32, offset u64,
 * length u64, kind u32, CRC-32 of the payload u32, place u32, details u32. Payloads with the place
 * {@linkcode PLACE}`.table` follow the rows, then details (`payload_details.ts`).
 *
 * @module
 */
import { crc32 } from "node:zlib";
import type { Digest } from "../value/encoded_value.ts";
import { getLength, setLength } from "./journal_format.ts";

/** The version of the tables' format. */
export const TABLE_VERSION = 1;

/** What a table is for. */
export const PURPOSE = { values: 1, calls: 2 } as const;

/**
 * Where a payload lies: in the file that the table is of, in the table's own, or in the chunks of a
 * compressed dataset, of which the details tell.
 */
export const PLACE = { subject: 0, table: 1, chunks: 2 } as const;

const HEADER_BYTES = 64;
const ROW_BYTES = 64;
const MAGIC = new TextEncoder().encode("QVRTABLE");

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

/** What a table is of. */
export interface TableSubject {
  /** What the table is for. */
  readonly purpose: number;
  /** How long the file was that the rows point into, in bytes. */
  readonly length: number;
  /** A checksum of that file. */
  readonly check: number;
}

/** A table in memory. */
export class DigestTable {
  /** What the table is of. */
  readonly subject: TableSubject;
  /** The number of rows. */
  readonly size: number;
  readonly #rows: Uint8Array<ArrayBuffer>;
  readonly #view: DataView<ArrayBuffer>;

  private constructor(subject: TableSubject, rows: Uint8Array<ArrayBuffer>) {
    this.subject = subject;
    this.size = rows.length / ROW_BYTES;
    this.#rows = rows;
    this.#view = new DataView(rows.buffer, rows.byteOffset, rows.length);
  }

  /**
   * Takes a table as it was read from a file.
   *
   * @param bytes The file's content; payloads behind the rows may be missing.
   * @param purpose What the table must be for.
   * @returns The table, or `undefined` when it is damaged, for something else, or of another version.
   */
  static decode(bytes: Uint8Array<ArrayBuffer>, purpose: number): DigestTable | undefined {
    if (bytes.length < HEADER_BYTES) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
    const rowsEnd = HEADER_BYTES + getLength(view, 16) * ROW_BYTES;
    const rows = bytes.subarray(HEADER_BYTES, rowsEnd);
    const sound = MAGIC.every((byte, i) => byte === bytes[i]) &&
      view.getUint32(60, true) === crc32(bytes.subarray(0, 60)) &&
      view.getUint32(8, true) === TABLE_VERSION && view.getUint32(12, true) === purpose &&
      bytes.length >= rowsEnd && view.getUint32(36, true) === crc32(rows);
    if (!sound) return undefined;
    const subject = { purpose, length: getLength(view, 24), check: view.getUint32(32, true) };
    return new DigestTable(subject, rows);
  }

  /**
   * Finds a digest: digests are uniform, so the first guess by proportion is near, and few steps
   * are left (interpolation search).
   *
   * @param digest What to look for.
   * @returns The number of the row, or -1.
   */
  find(digest: Digest): number {
    const wanted = toPrefix(digest);
    let low = 0;
    let high = this.size - 1;
    let lowPrefix = 0;
    let highPrefix = 0xffff_ffff;
    while (low <= high && wanted >= lowPrefix && wanted <= highPrefix) {
      const share = highPrefix === lowPrefix ? 0 : (wanted - lowPrefix) / (highPrefix - lowPrefix);
      const middle = low + Math.floor(share * (high - low));
      const prefix = this.#view.getUint32(middle * ROW_BYTES);
      if (prefix === wanted) return this.#findAmongEqual(middle, wanted, digest);
      if (prefix < wanted) {
        low = middle + 1;
        lowPrefix = prefix;
      } else {
        high = middle - 1;
        highPrefix = prefix;
      }
    }
    return -1;
  }

  #findAmongEqual(near: number, prefix: number, digest: Digest): number {
    let row = near;
    while (row > 0 && this.#view.getUint32((row - 1) * ROW_BYTES) === prefix) row--;
    for (; row < this.size && this.#view.getUint32(row * ROW_BYTES) === prefix; row++) {
      if (this.digest(row) === digest) return row;
    }
    return -1;
  }

  /** The digest of a row. */
  digest(row: number): Digest {
    return this.#rows.subarray(row * ROW_BYTES, row * ROW_BYTES + 32).toHex();
  }

  /** Where the payload of a row begins, in bytes. */
  offset(row: number): number {
    return getLength(this.#view, row * ROW_BYTES + 32);
  }

  /** How long the payload of a row is, in bytes. */
  length(row: number): number {
    return getLength(this.#view, row * ROW_BYTES + 40);
  }

  /** How to read the payload of a row. */
  kind(row: number): number {
    return this.#view.getUint32(row * ROW_BYTES + 48, true);
  }

  /** The CRC-32 of the payload of a row. */
  crc(row: number): number {
    return this.#view.getUint32(row * ROW_BYTES + 52, true);
  }

  /** Which file the offset of a row points into. */
  place(row: number): number {
    return this.#view.getUint32(row * ROW_BYTES + 56, true);
  }

  /** Where the details of a row are; 0 when there are none. */
  details(row: number): number {
    return this.#view.getUint32(row * ROW_BYTES + 60, true);
  }

  /** All of a row. */
  row(row: number): TableRow {
    const details = this.details(row);
    return {
      digest: this.digest(row),
      offset: this.offset(row),
      length: this.length(row),
      kind: this.kind(row),
      crc: this.crc(row),
      place: this.place(row),
      ...(details !== 0 && { details }),
    };
  }
}

/**
 * Makes the content of a table's file.
 *
 * @param subject What the table is of.
 * @param rows The rows, each digest once, in any order.
 * @returns Header and rows.
 */
export function encodeTable(
  subject: TableSubject,
  rows: readonly TableRow[],
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(toTableBytes(rows.length));
  const view = new DataView(bytes.buffer);
  const sorted = rows.toSorted((a, b) => a.digest < b.digest ? -1 : a.digest > b.digest ? 1 : 0);
  let at = HEADER_BYTES;
  for (const row of sorted) {
    bytes.subarray(at, at + 32).setFromHex(row.digest);
    setLength(view, at + 32, row.offset);
    setLength(view, at + 40, row.length);
    view.setUint32(at + 48, row.kind, true);
    view.setUint32(at + 52, row.crc, true);
    view.setUint32(at + 56, row.place, true);
    view.setUint32(at + 60, row.details ?? 0, true);
    at += ROW_BYTES;
  }
  bytes.set(MAGIC);
  view.setUint32(8, TABLE_VERSION, true);
  view.setUint32(12, subject.purpose, true);
  setLength(view, 16, rows.length);
  setLength(view, 24, subject.length);
  view.setUint32(32, subject.check, true);
  view.setUint32(36, crc32(bytes.subarray(HEADER_BYTES)), true);
  view.setUint32(60, crc32(bytes.subarray(0, 60)), true);
  return bytes;
}

/**
 * Tells how long header and rows of a table are.
 *
 * @param rows The number of rows.
 * @returns The size in bytes; payloads inside the table begin there.
 */
export function toTableBytes(rows: number): number {
  return HEADER_BYTES + rows * ROW_BYTES;
}

function toPrefix(digest: Digest): number {
  return parseInt(digest.slice(0, 8), 16);
}
