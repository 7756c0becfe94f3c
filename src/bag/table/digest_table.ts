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
import { readIfWhole } from "../../disk/file_system.ts";
import type { PayloadDescription } from "../../disk/payload.ts";
import type { Digest } from "../../value/value.ts";

/** The size of a table's header in bytes, by the version of its format; the second tells of more rows. */
const HEADER_BYTES: { readonly [version: number]: number } = { 1: 64, 2: 96 };

const MAGIC = new TextEncoder().encode("QVRTABLE");

/** What a table is of. */
interface IndexedFile {
  /** What the table is for. */
  readonly purpose: number;
  /** How long the file was that the rows point into, in bytes. */
  readonly length: number;
  /** A checksum of that file. */
  readonly check: number;
  /** How many lines of that file are damaged, and so in no row; absent for none. */
  readonly damaged?: number;
}

/** Rows that lie together in a file. */
export interface Rows {
  /** Where they begin, in bytes. */
  readonly begin: number;
  /** The number of rows. */
  readonly size: number;
  /** The CRC-32 of the rows. */
  readonly crc: number;
}

/** What the header of a table says. */
interface TableHeader extends Rows {
  /** What the table is of. */
  readonly subject: IndexedFile;
  /** More rows, in the file that the table is of. */
  readonly others?: OtherRows;
}

/** Rows of payloads that are packed, in the file that a table is of. */
export interface OtherRows extends Rows {
  /** Where in that file the payloads begin, in bytes. */
  readonly payloads: number;
}

/**
 * Tells how long header and rows of a table are.
 *
 * @param others More rows that the header tells of.
 * @returns The size in bytes; payloads inside the table begin there.
 */
export function toTableBytes(rows: number, others?: OtherRows): number {
  return toHeaderBytes(others) + rows * ROW_BYTES;
}

function toHeaderBytes(others: OtherRows | undefined): number {
  return HEADER_BYTES[others === undefined ? 1 : 2] ?? 0;
}

/**
 * Makes the header of a table.
 *
 * @param header What it says.
 */
function encodeTableHeader(
  { subject, size, crc, others }: Omit<TableHeader, "begin">,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(toHeaderBytes(others));
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(8, others === undefined ? 1 : 2, true);
  view.setUint32(12, subject.purpose, true);
  setLength(view, 16, size);
  setLength(view, 24, subject.length);
  view.setUint32(32, subject.check, true);
  view.setUint32(36, crc, true);
  if (others === undefined) view.setUint32(40, subject.damaged ?? 0, true);
  else {
    setLength(view, 40, others.begin);
    setLength(view, 48, others.size);
    setLength(view, 56, others.payloads);
    view.setUint32(64, others.crc, true);
  }
  const end = bytes.length - 4;
  view.setUint32(end, crc32(bytes.subarray(0, end)), true);
  return bytes;
}

/**
 * Reads the header of a table.
 *
 * @param bytes The begin of the table's file.
 * @param purpose What the table must be for.
 * @returns The header, or `undefined` when it is damaged, for something else, or of another version.
 */
function decodeTableHeader(
  bytes: Uint8Array<ArrayBuffer>,
  purpose: number,
): TableHeader | undefined {
  if (bytes.length < 12 || !MAGIC.every((byte, i) => byte === bytes[i])) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const version = view.getUint32(8, true);
  const begin = HEADER_BYTES[version];
  if (begin === undefined || bytes.length < begin) return undefined;
  const sound = view.getUint32(begin - 4, true) === crc32(bytes.subarray(0, begin - 4)) &&
    view.getUint32(12, true) === purpose;
  if (!sound) return undefined;
  const header = {
    subject: { purpose, length: getLength(view, 24), check: view.getUint32(32, true) },
    begin,
    size: getLength(view, 16),
    crc: view.getUint32(36, true),
  };
  if (version !== 1) return { ...header, others: decodeOthers(view) };
  const damaged = view.getUint32(40, true);
  return damaged === 0 ? header : { ...header, subject: { ...header.subject, damaged } };
}

function decodeOthers(view: DataView): OtherRows {
  return {
    begin: getLength(view, 40),
    size: getLength(view, 48),
    payloads: getLength(view, 56),
    crc: view.getUint32(64, true),
  };
}

/** What a table is for. */
export const PURPOSE = { values: 1, calls: 2 } as const;

/** Rows of up to this many bytes stay in memory. */
const MEMORY_BYTES = 2 * 1024 * 1024;

/** How much is read first: header and at least 62 rows. */
const BEGIN_BYTES = 4096;

/** How much of the rows is read at once. */
const CHUNK_BYTES = 1024 * 1024;

/** A table that was checked, ready to be searched. */
export class DigestTable {
  /** What the table is of. */
  readonly subject: IndexedFile;
  /** The number of rows. */
  readonly size: number;
  /** The CRC-32 of the rows, by which a table is known again. */
  readonly check: number;
  /** More rows, which the table does not know itself. */
  readonly others?: OtherRows;
  readonly #prefixes: Uint32Array;
  readonly #source: RowSource;

  private constructor(header: TableHeader, prefixes: Uint32Array, rows: RowSource) {
    const { subject, size, crc, others } = header;
    this.subject = subject;
    this.size = size;
    this.check = crc;
    if (others !== undefined) this.others = others;
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
    const end = header === undefined ? Infinity : toEnd(header);
    if (header === undefined || bytes.length < end) return undefined;
    return DigestTable.#take(header, bytes.subarray(header.begin, end));
  }

  static #take(header: TableHeader, rows: Uint8Array<ArrayBuffer>): DigestTable | undefined {
    if (crc32(rows) !== header.crc) return undefined;
    const prefixes = new Uint32Array(header.size);
    if (!takePrefixes(prefixes, 0, rows)) return undefined;
    const source = {
      rows: toViewed(rows),
      seek: (row: number) => row * ROW_BYTES,
      reach: (row: number) => header.size - row,
    };
    return new DigestTable(header, prefixes, source);
  }

  /**
   * Reads a table from its file, all of it once, to check it. The rows of a large one do not stay in
   * memory.
   *
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
    if (toEnd(header) <= first.length) return DigestTable.decode(first, purpose);
    return DigestTable.#read(file, header, reopen);
  }

  /**
   * Reads the rows that a table tells of in the file that it is of.
   *
   * @param file That file.
   * @param table The table.
   * @param others The rows.
   * @param reopen Gives the file again when a row is read, or `undefined` when it is gone.
   * @returns A table of these rows, or `undefined` when they are damaged.
   */
  static readOthers(
    file: Deno.FsFile,
    { subject }: DigestTable,
    others: OtherRows,
    reopen: () => Deno.FsFile | undefined,
  ): DigestTable | undefined {
    return DigestTable.#read(file, { ...others, subject }, reopen);
  }

  static #read(
    file: Deno.FsFile,
    header: TableHeader,
    reopen: () => Deno.FsFile | undefined,
  ): DigestTable | undefined {
    const { begin, size } = header;
    const end = toEnd(header);
    // Before anything is allocated: the number of rows may be anything.
    if (!Number.isSafeInteger(end) || file.seekSync(0, Deno.SeekMode.End) < end) return undefined;
    if (end - begin <= MEMORY_BYTES) {
      const rows = new Uint8Array(end - begin);
      return readIfWhole(file, begin, rows) ? DigestTable.#take(header, rows) : undefined;
    }
    const prefixes = new Uint32Array(size);
    const buffer = new Uint8Array(CHUNK_BYTES);
    let crc = 0;
    for (let at = begin; at < end; at += CHUNK_BYTES) {
      const chunk = buffer.subarray(0, Math.min(CHUNK_BYTES, end - at));
      if (!readIfWhole(file, at, chunk)) return undefined;
      crc = crc32(chunk, crc);
      // What is no table ends here, whatever its size: memory is taken as prefixes are written.
      if (!takePrefixes(prefixes, (at - begin) / ROW_BYTES, chunk)) return undefined;
    }
    if (crc !== header.crc) return undefined;
    return new DigestTable(header, prefixes, new FileRows(reopen, header));
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
   * @throws {RangeError} When the file is gone or has become too short.
   */
  row(row: number, digest?: Digest): TableRow {
    const at = this.#source.seek(row);
    if (at < 0) throw new RangeError("Cannot read a row of a table: its file is gone or too short");
    return readRow(this.#source.rows, at, digest);
  }

  /** Goes over the rows in order. */
  *rows(): Generator<TableRow> {
    for (let row = 0; row < this.size; row++) yield this.row(row);
  }

  /**
   * Goes over the bytes of the rows in order.
   *
   * @returns The bytes of each row, good until the next.
   * @throws {RangeError} When the file is gone or has become too short.
   */
  *rowBytes(): Generator<Uint8Array<ArrayBuffer>> {
    for (const { rows: { bytes }, begin, count } of this.rowPages()) {
      for (let at = begin; at < begin + count * ROW_BYTES; at += ROW_BYTES) {
        yield bytes.subarray(at, at + ROW_BYTES);
      }
    }
  }

  /**
   * Goes over the rows in order, many at a time.
   *
   * @returns The bytes of some, where in them the first begins and how many there are; good until the next.
   * @throws {RangeError} When the file is gone or has become too short.
   */
  *rowPages(): Generator<RowPage> {
    for (let row = 0; row < this.size;) {
      const begin = this.#source.seek(row);
      if (begin < 0) throw new RangeError("Cannot read a table: its file is gone or too short");
      const count = this.#source.reach(row);
      yield { rows: this.#source.rows, begin, count };
      row += count;
    }
  }
}

/**
 * Reads the header of a table; the rows are not looked at.
 *
 * @param purpose What the table must be for.
 * @returns The header, or `undefined` when it is damaged, for something else, or of another version.
 */
export function readTableHeader(file: Deno.FsFile, purpose: number): TableHeader | undefined {
  return decodeTableHeader(readBegin(file, HEADER_BYTES[2]), purpose);
}

/** Most tables of a bag of large arrays are read by this one read. */
function readBegin(file: Deno.FsFile, length: number = BEGIN_BYTES): Uint8Array<ArrayBuffer> {
  const begin = new Uint8Array(Math.min(length, file.seekSync(0, Deno.SeekMode.End)));
  return readIfWhole(file, 0, begin) ? begin : begin.subarray(0, 0);
}

function toEnd({ begin, size }: Rows): number {
  return begin + size * ROW_BYTES;
}

/** Takes the prefixes of rows, and tells whether they are in order; from piece to piece roughly. */
function takePrefixes(
  prefixes: Uint32Array,
  from: number,
  rows: Uint8Array<ArrayBuffer>,
): boolean {
  const view = new DataView(rows.buffer, rows.byteOffset, rows.length);
  let row = from;
  let last = prefixes[from - 1] ?? 0;
  for (let at = 0; at < rows.length; at += ROW_BYTES) {
    const prefix = view.getUint32(at);
    const isEqual = prefix === last && at > 0;
    if (prefix < last || (isEqual && compareDigests(rows, at - ROW_BYTES, rows, at) >= 0)) {
      return false;
    }
    prefixes[row++] = prefix;
    last = prefix;
  }
  return true;
}

/** How many rows are read at once by who asks for one after another. */
const CHUNK_ROWS = 1024;

/** Rows of a table that lie one behind the other. */
export interface RowPage {
  /** Bytes that they are in. */
  readonly rows: ViewedBytes;
  /** Where the first begins. */
  readonly begin: number;
  /** How many they are. */
  readonly count: number;
}

/** Where the rows of a table are. */
interface RowSource {
  /** What was brought within reach last. */
  readonly rows: ViewedBytes;
  /**
   * Brings a row within reach.
   *
   * @param row The number of the row.
   * @returns Where in `rows` it begins, or -1 when it cannot be read.
   */
  seek(row: number): number;
  /**
   * Tells how many rows are within reach.
   *
   * @param row The first of them, which was just brought there.
   */
  reach(row: number): number;
}

/** Rows that are read from the table's file when they are asked for. */
class FileRows implements RowSource {
  readonly rows: ViewedBytes = toViewed(new Uint8Array(CHUNK_ROWS * ROW_BYTES));
  readonly #open: () => Deno.FsFile | undefined;
  readonly #rows: Rows;
  #begin = 0;
  #end = 0;

  /**
   * Reads nothing yet.
   *
   * @param open Gives the open table's file, or `undefined` when it is gone.
   * @param rows Where they are.
   */
  constructor(open: () => Deno.FsFile | undefined, rows: Rows) {
    this.#open = open;
    this.#rows = rows;
  }

  seek(row: number): number {
    if (row < this.#begin || row >= this.#end) {
      // One alone, unless the one before was asked for last.
      const { begin, size } = this.#rows;
      const count = row === this.#end ? Math.min(CHUNK_ROWS, size - row) : 1;
      const bytes = this.rows.bytes.subarray(0, count * ROW_BYTES);
      const file = this.#open();
      this.#begin = row;
      this.#end = row;
      if (file === undefined || !readIfWhole(file, begin + row * ROW_BYTES, bytes)) return -1;
      this.#end = row + count;
    }
    return (row - this.#begin) * ROW_BYTES;
  }

  reach(row: number): number {
    return this.#end - row;
  }
}

// A row of a table under digests, as `FORMAT.md` specifies it ("Tables").

/**
 * Where a payload lies: in the file that the table is of, in the table's own, or in the chunks of a
 * compressed dataset, of which the details tell.
 */
export const LOCATION = { dataFile: 0, table: 1, chunks: 2 } as const;

/** The size of a row in bytes. */
export const ROW_BYTES = 64;

/** Where in a row the length of the payload stands. */
export const LENGTH_AT = 40;

/** Where in a row its kind is. */
export const KIND_AT = 48;

/** The size of a digest in a row, in bytes. */
export const DIGEST_BYTES = 32;

/** One row of a table: of a payload, or of a line under its key. */
export interface TableRow extends PayloadDescription {
  /** Where the payload begins, in bytes. */
  readonly offset: number;
  /** Which file the offset points into. */
  readonly location: number;
  /** Where the details are, if there are any. */
  readonly details?: number;
}

/** Bytes with a view of them, so that none is made for each number. */
export interface ViewedBytes {
  /** The bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same bytes. */
  readonly view: DataView<ArrayBuffer>;
}

/**
 * Makes a view of bytes.
 *
 * @returns The same bytes, with the view.
 */
export function toViewed(bytes: Uint8Array<ArrayBuffer>): ViewedBytes {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}

/**
 * Writes a row.
 *
 * @param rows Where to.
 * @param at Where in the bytes the row begins.
 */
export function writeRow({ bytes, view }: ViewedBytes, at: number, row: TableRow): void {
  bytes.subarray(at, at + DIGEST_BYTES).setFromHex(row.digest);
  setLength(view, at + 32, row.offset);
  setLength(view, at + LENGTH_AT, row.length);
  view.setUint32(at + KIND_AT, row.kind, true);
  view.setUint32(at + 52, row.crc, true);
  view.setUint32(at + 56, row.location, true);
  view.setUint32(at + 60, row.details ?? 0, true);
}

/**
 * Reads a row.
 *
 * @param rows Where from.
 * @param at Where in the bytes the row begins.
 * @param digest The row's digest, where it is known already.
 */
export function readRow(
  rows: ViewedBytes,
  at: number,
  digest: Digest = readDigest(rows, at),
): TableRow {
  const { view } = rows;
  const row = {
    digest,
    offset: getLength(view, at + 32),
    length: getLength(view, at + LENGTH_AT),
    kind: view.getUint32(at + KIND_AT, true),
    crc: view.getUint32(at + 52, true),
    location: view.getUint32(at + 56, true),
  };
  const details = view.getUint32(at + 60, true);
  return details === 0 ? row : { ...row, details };
}

/**
 * Reads the digest of a row.
 *
 * @param rows Where from.
 * @param at Where in the bytes the row begins.
 */
export function readDigest({ bytes }: ViewedBytes, at: number): Digest {
  return bytes.subarray(at, at + DIGEST_BYTES).toHex();
}

/**
 * The first four bytes of a digest as a number, by which rows are sorted and found.
 *
 * @returns The number, from 0 to 2^32 - 1.
 */
export function toPrefix(digest: Digest): number {
  return parseInt(digest.slice(0, 8), 16);
}

/**
 * Makes the content of a table's file.
 *
 * @param subject What the table is of.
 * @param rows The rows, each digest once, in any order.
 * @param others More rows, in the file that the table is of.
 * @returns Header and rows.
 */
export function encodeTable(
  subject: IndexedFile,
  rows: readonly TableRow[],
  others?: OtherRows,
): Uint8Array<ArrayBuffer> {
  const sorted = encodeRows(rows);
  const bytes = new Uint8Array(toTableBytes(rows.length, others));
  const header = { subject, size: rows.length, crc: crc32(sorted) };
  bytes.set(encodeTableHeader(others === undefined ? header : { ...header, others }));
  bytes.set(sorted, toTableBytes(0, others));
  return bytes;
}

/**
 * Makes rows.
 *
 * @param rows The rows, each digest once, in any order.
 * @returns The rows, sorted.
 */
export function encodeRows(rows: readonly TableRow[]): Uint8Array<ArrayBuffer> {
  const unsorted = toViewed(new Uint8Array(rows.length * ROW_BYTES));
  let at = 0;
  for (const row of rows) {
    writeRow(unsorted, at, row);
    at += ROW_BYTES;
  }
  return sortRows(unsorted);
}

/**
 * Makes the content of a table's file out of rows that are sorted, and more than should be in memory
 * at once: they are gone over twice, as the header has their checksum.
 *
 * @param subject What the table is of.
 * @param pieces Gives the rows in pieces, the same each time; a piece is good until the next.
 * @returns Header and rows, in pieces.
 */
export function* encodeSortedTable(
  subject: IndexedFile,
  pieces: () => Iterable<Uint8Array>,
): Generator<Uint8Array> {
  let crc = 0;
  let length = 0;
  for (const piece of pieces()) {
    crc = crc32(piece, crc);
    length += piece.length;
  }
  yield encodeTableHeader({ subject, size: length / ROW_BYTES, crc });
  yield* pieces();
}

/**
 * Sorts rows by their digests. Digests are uniform, so that to sort numbers which begin with their
 * first bytes is all but done; it takes no object a row.
 *
 * @param rows The rows, each digest once.
 */
export function sortRows({ bytes, view }: ViewedBytes): Uint8Array<ArrayBuffer> {
  const size = bytes.length / ROW_BYTES;
  // Each number is a prefix above the number of its row; the lower half comes first in memory, as on
  // every machine that Deno runs on.
  const numbers = new BigUint64Array(size);
  const halves = new Uint32Array(numbers.buffer);
  for (let row = 0; row < size; row++) {
    halves[2 * row] = row;
    halves[2 * row + 1] = view.getUint32(row * ROW_BYTES);
  }
  numbers.sort();
  const order = halves.filter((_, i) => i % 2 === 0);
  settleEqual(order, bytes);
  const sorted = new Uint8Array(bytes.length);
  let at = 0;
  for (const row of order) {
    sorted.set(bytes.subarray(row * ROW_BYTES, (row + 1) * ROW_BYTES), at);
    at += ROW_BYTES;
  }
  return sorted;
}

/** Orders the few rows whose prefixes are equal, by insertion. */
function settleEqual(order: Uint32Array, bytes: Uint8Array): void {
  for (let end = 1; end < order.length; end++) {
    const row = order[end] ?? 0;
    let slot = end;
    for (; slot > 0; slot--) {
      const before = order[slot - 1] ?? 0;
      if (compareDigests(bytes, before * ROW_BYTES, bytes, row * ROW_BYTES) <= 0) break;
      order[slot] = before;
    }
    order[slot] = row;
  }
}

/**
 * Compares two digests in bytes, as rows are sorted.
 *
 * @param at Where the one begins.
 * @param otherAt Where the other begins.
 * @returns A number below 0 if the one comes first, 0 if they are the same.
 */
export function compareDigests(
  bytes: Uint8Array,
  at: number,
  other: Uint8Array,
  otherAt: number,
): number {
  for (let i = 0; i < DIGEST_BYTES; i++) {
    const difference = (bytes[at + i] ?? 0) - (other[otherAt + i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/**
 * Writes a length or position as u64.
 *
 * @param view Where to.
 * @param at The position in the view.
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
