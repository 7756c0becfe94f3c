/**
 * A sorted table under digests: `segments/<n>.index` and `calls.index`. `FORMAT.md` specifies the
 * bytes ("Tables").
 *
 * In memory a large table is four bytes a row, the first of each digest: that says where a digest
 * is, if it is there, and a row is read from the file when it is asked for.
 *
 * @module
 */
import { crc32 } from "node:zlib";
import type { Digest } from "../value/value.ts";
import { readAt } from "../disk/file_system.ts";
import { FileRows, MemoryRows, type RowSource } from "./row_source.ts";
import {
  decodeTableHeader,
  TABLE_HEADER_BYTES,
  type TableHeader,
  type TableSubject,
  toTableBytes,
} from "./table_header.ts";
import { readDigest, readRow, ROW_BYTES, type TableRow, toPrefix } from "./table_row.ts";

export { TABLE_VERSION, type TableSubject, toTableBytes } from "./table_header.ts";
export { PLACE, type TableRow } from "./table_row.ts";
export { encodeTable } from "./table_writer.ts";

/** What a table is for. */
export const PURPOSE = { values: 1, calls: 2 } as const;

/** Rows of up to this many bytes stay in memory. */
const MEMORY_BYTES = 2 * 1024 * 1024;

/** How much is read first: header and 63 rows. */
const BEGIN_BYTES = 4096;

/** How much of the rows is read at once. */
const CHUNK_BYTES = 1024 * 1024;

/** A table that was checked, ready to be searched. */
export class DigestTable {
  /** What the table is of. */
  readonly subject: TableSubject;
  /** The number of rows. */
  readonly size: number;
  /** The CRC-32 of the rows, by which a table is known again. */
  readonly check: number;
  readonly #prefixes: Uint32Array;
  readonly #source: RowSource;

  private constructor({ subject, size, crc }: TableHeader, prefixes: Uint32Array, rows: RowSource) {
    this.subject = subject;
    this.size = size;
    this.check = crc;
    this.#prefixes = prefixes;
    this.#source = rows;
  }

  /**
   * Takes a table as it was read from a file.
   *
   * @param bytes The file's content; payloads behind the rows may be missing.
   * @param purpose What the table must be for.
   * @returns The table, or `undefined` when it is damaged, for something else, or of another version.
   */
  static decode(bytes: Uint8Array<ArrayBuffer>, purpose: number): DigestTable | undefined {
    const header = decodeTableHeader(bytes, purpose);
    if (header === undefined || bytes.length < toTableBytes(header.size)) return undefined;
    const rows = bytes.subarray(TABLE_HEADER_BYTES, toTableBytes(header.size));
    if (crc32(rows) !== header.crc) return undefined;
    const prefixes = new Uint32Array(header.size);
    takePrefixes(prefixes, 0, rows);
    return new DigestTable(header, prefixes, new MemoryRows(rows));
  }

  /**
   * Reads a table from its file, all of it once, to check it. The rows of a large one do not stay in
   * memory.
   *
   * @param file The table's file.
   * @param purpose What the table must be for.
   * @param reopen Gives the file again when a row is read, or `undefined` when it is gone.
   * @returns The table, or `undefined` when it is damaged, for something else, or of another version.
   */
  static read(
    file: Deno.FsFile,
    purpose: number,
    reopen: () => Deno.FsFile | undefined,
  ): DigestTable | undefined {
    const first = readBegin(file);
    const header = decodeTableHeader(first, purpose);
    if (header === undefined) return undefined;
    const end = toTableBytes(header.size);
    if (end <= first.length) return DigestTable.decode(first, purpose);
    // Before anything is allocated: the number of rows may be anything.
    if (file.seekSync(0, Deno.SeekMode.End) < end) return undefined;
    if (end <= MEMORY_BYTES) {
      const bytes = new Uint8Array(end);
      return readAt(file, 0, bytes) ? DigestTable.decode(bytes, purpose) : undefined;
    }
    const prefixes = new Uint32Array(header.size);
    const buffer = new Uint8Array(CHUNK_BYTES);
    let crc = 0;
    for (let at = TABLE_HEADER_BYTES; at < end; at += CHUNK_BYTES) {
      const chunk = buffer.subarray(0, Math.min(CHUNK_BYTES, end - at));
      if (!readAt(file, at, chunk)) return undefined;
      crc = crc32(chunk, crc);
      takePrefixes(prefixes, (at - TABLE_HEADER_BYTES) / ROW_BYTES, chunk);
    }
    if (crc !== header.crc) return undefined;
    return new DigestTable(header, prefixes, new FileRows(reopen, header.size));
  }

  /** The first four bytes of each digest, in order. */
  get prefixes(): Iterable<number> {
    return this.#prefixes;
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
    const prefixes = this.#prefixes;
    let low = 0;
    let high = this.size - 1;
    let lowPrefix = 0;
    let highPrefix = 0xffff_ffff;
    while (low <= high && wanted >= lowPrefix && wanted <= highPrefix) {
      const share = highPrefix === lowPrefix ? 0 : (wanted - lowPrefix) / (highPrefix - lowPrefix);
      const middle = low + Math.floor(share * (high - low));
      const prefix = prefixes[middle] ?? 0;
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
    while (row > 0 && this.#prefixes[row - 1] === prefix) row--;
    for (; row < this.size && this.#prefixes[row] === prefix; row++) {
      const at = this.#source.seek(row);
      if (at >= 0 && readDigest(this.#source.rows, at) === digest) return row;
    }
    return -1;
  }

  /**
   * Reads a row; one that was just found is at hand.
   *
   * @param row The number of the row.
   * @param digest The row's digest, where it is known already.
   * @returns The row.
   * @throws {RangeError} When the file is gone or has become too short.
   */
  row(row: number, digest?: Digest): TableRow {
    const at = this.#source.seek(row);
    if (at < 0) throw new RangeError("Cannot read a row of a table: its file is gone or too short");
    return readRow(this.#source.rows, at, digest);
  }

  /**
   * Goes over the bytes of the rows in order.
   *
   * @returns The bytes of each row, good until the next.
   * @throws {RangeError} When the file is gone or has become too short.
   */
  *rowBytes(): Generator<Uint8Array> {
    for (let row = 0; row < this.size; row++) {
      const at = this.#source.seek(row);
      if (at < 0) throw new RangeError("Cannot read a table: its file is gone or too short");
      yield this.#source.rows.bytes.subarray(at, at + ROW_BYTES);
    }
  }
}

/**
 * Reads the header of a table; the rows are not looked at.
 *
 * @param file The table's file.
 * @param purpose What the table must be for.
 * @returns The header, or `undefined` when it is damaged, for something else, or of another version.
 */
export function readTableHeader(file: Deno.FsFile, purpose: number): TableHeader | undefined {
  const bytes = new Uint8Array(TABLE_HEADER_BYTES);
  return readAt(file, 0, bytes) ? decodeTableHeader(bytes, purpose) : undefined;
}

/** Most tables of a bag of large arrays are read by this one read. */
function readBegin(file: Deno.FsFile): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(BEGIN_BYTES);
  file.seekSync(0, Deno.SeekMode.Start);
  return bytes.subarray(0, file.readSync(bytes) ?? 0);
}

function takePrefixes(
  prefixes: Uint32Array,
  from: number,
  rows: Uint8Array<ArrayBuffer>,
): void {
  const view = new DataView(rows.buffer, rows.byteOffset, rows.length);
  let row = from;
  for (let at = 0; at < rows.length; at += ROW_BYTES) prefixes[row++] = view.getUint32(at);
}
