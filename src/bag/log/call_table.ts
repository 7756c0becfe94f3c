import { crc32 } from "node:zlib";
import { type FilePlace, openIfThere, readAt } from "../../disk/file_system.ts";
import type { BagLayout } from "../../disk/layout.ts";
import type { Digest } from "../../value/value.ts";
import { DigestRows } from "../table/digest_rows.ts";
import {
  DIGEST_BYTES,
  DigestTable,
  getLength,
  KIND_AT,
  LENGTH_AT,
  LOCATION,
  PURPOSE,
  readTableHeader,
  ROW_BYTES,
  type RowPage,
  type TableRow,
  type ViewedBytes,
} from "../table/digest_table.ts";
import type { HeaderCopies } from "./call_headers.ts";
import { KEY_BITS } from "./call_line.ts";
import type { CallLine } from "./call_scan.ts";

/** How much of the begin and the end of the prefix counts for the checksum. */
const SAMPLE_BYTES = 4096;

/** A tail of up to this many bytes is cheaper to scan than a table is to write. */
const SMALL_TAIL_BYTES = 64 * 1024;

/** The table is written anew when the tail has more than this part of the prefix… */
const TAIL_SHARE = 1 / 8;

/** …or more than this, which takes about 40 ms to scan. */
export const LONG_TAIL_BYTES = 16 * 1024 * 1024;

/** Where the record of a key lies, or should. */
export interface RecordPlace extends FilePlace {
  readonly key: Digest;
}

/** The table of the call log's sealed prefix, open for being searched. */
export class CallTable implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #table: DigestTable;

  private constructor(file: Deno.FsFile, table: DigestTable) {
    this.#file = file;
    this.#table = table;
  }

  /**
   * Opens the table.
   *
   * @param generation The generation of the log.
   * @param known A table that is open already.
   * @returns The table, or `undefined` when it is missing, damaged, of another log, or `known`.
   */
  static open(
    layout: BagLayout,
    log: Deno.FsFile,
    generation: number,
    known?: CallTable,
  ): CallTable | undefined {
    const file = openIfThere(layout.callIndex);
    if (file === undefined) return undefined;
    const isSame = known !== undefined &&
      readTableHeader(file, PURPOSE.calls)?.crc === known.#table.check;
    const table = isSame ? undefined : DigestTable.read(file, PURPOSE.calls, () => file);
    if (table !== undefined && isTableOf(table, log, generation)) return new CallTable(file, table);
    file.close();
    return undefined;
  }

  /** Where in the log the prefix ends, in bytes. */
  get end(): number {
    return this.#table.subject.length;
  }

  /** How many lines of the prefix are damaged, and so in no row. */
  get damaged(): number {
    return this.#table.subject.damaged ?? 0;
  }

  /** How many rows it has. */
  get size(): number {
    return this.#table.size;
  }

  /** The rows in order, many at a time. */
  rowPages(): Iterable<RowPage> {
    return this.#table.rowPages();
  }

  /** The bytes of the rows in order, each good until the next. */
  rowBytes(): Iterable<Uint8Array<ArrayBuffer>> {
    return this.#table.rowBytes();
  }

  /**
   * Finds where the newest record of a key lies in the prefix.
   *
   * @param key The key of the call.
   * @returns The line, without its line feed, or `undefined` when there is none.
   */
  find(key: Digest): FilePlace | undefined {
    const row = this.#table.find(key);
    return row === -1 ? undefined : this.#table.row(row, key);
  }

  /**
   * Finds the row of a key.
   *
   * @returns Its number among {@linkcode CallTable.rowBytes}, or -1.
   */
  rowOf(key: Digest): number {
    return this.#table.find(key);
  }

  /** Lets go of the file. */
  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/**
 * Tells whether a table is of a prefix of a log.
 *
 * @param generation The generation of the log.
 * @returns Whether it is, and not of another log.
 */
export function isTableOf(
  { subject }: DigestTable,
  log: Deno.FsFile,
  generation: number,
): boolean {
  return subject.check === checkPrefix(log, subject.length, generation);
}

/**
 * Tells whether the call log's table should be written anew.
 *
 * @param tail How many bytes have no table.
 * @param prefix How many bytes have one.
 * @returns Whether scanning the tail costs more than it should.
 */
export function isTailLong(tail: number, prefix: number): boolean {
  return tail > Math.min(Math.max(SMALL_TAIL_BYTES, prefix * TAIL_SHARE), LONG_TAIL_BYTES);
}

/**
 * Recognises the prefix of a log without reading all of it: a log only ever grows.
 *
 * @param length How long the prefix is, in bytes.
 * @param generation The generation of the log.
 * @returns A checksum, or `undefined` when the log is shorter.
 */
export function checkPrefix(
  log: Deno.FsFile,
  length: number,
  generation: number,
): number | undefined {
  const sample = new Uint8Array(Math.min(SAMPLE_BYTES, length));
  if (!readAt(log, 0, sample)) return undefined;
  const check = crc32(sample, generation);
  return readAt(log, length - sample.length, sample) ? crc32(sample, check) : undefined;
}

/** What a row is of, by its kind; a table has no evictions. */
const TYPES = ["record", "eviction", "header"] as const;

/** How many copies of a header are counted. */
const MOST_COPIES = 255;

/** The newest line of each key, and of each header, in the part of the call log that has no table. */
export class CallTail {
  readonly #lines = new DigestRows();

  /** The lines as the rows of a table; the kind tells what they are. */
  get rows(): ViewedBytes {
    return this.#lines.rows;
  }

  /** Takes a line, which is newer than all before it. */
  set({ key, type, offset, length }: CallLine): void {
    const copies = type === "header" ? this.copiesOf(key)?.count ?? 0 : 0;
    this.#lines.set(toRow({ key, type, offset, length }));
    if (type !== "header") return;
    this.#lines.mark(this.#lines.find(key), Math.min(copies + 1, MOST_COPIES));
  }

  /**
   * Finds the newest copy of a header.
   *
   * @param header Its name as a digest.
   * @returns Where it begins and how many there are, or `undefined` when the tail has none.
   */
  copiesOf(header: Digest): HeaderCopies | undefined {
    const index = this.#lines.find(header);
    if (index === -1) return undefined;
    return { offset: this.#lines.row(index, header).offset, count: this.#lines.markOf(index) };
  }

  /**
   * Finds the newest line of a key.
   *
   * @param key The key of the call.
   * @returns The line, or `undefined` when the tail has none.
   */
  get(key: Digest): CallLine | undefined {
    const index = this.#lines.size === 0 ? -1 : this.#lines.find(key);
    return index === -1 ? undefined : toLine(this.#lines.row(index, key));
  }

  /** Goes over the lines; a key stands where it came first. */
  *lines(): Generator<CallLine> {
    for (let index = 0; index < this.#lines.size; index++) yield toLine(this.#lines.row(index));
  }

  /**
   * Leaves out what a table has; a header that comes again is counted anew.
   *
   * @param offset Where the tail begins from now on, in bytes.
   * @returns The lines from there on.
   */
  from(offset: number): CallTail {
    const rest = new CallTail();
    for (const line of this.lines()) {
      if (line.offset >= offset) rest.set(line);
    }
    return rest;
  }
}

/** So many places of as many keys as a key begins with are told apart: offsets have the other 41 bits. */
const KEY_SHARE = 2 ** KEY_BITS;

/** Where the newest records are, in the order of the log; for who goes over the log once. */
export class NewestPlaces {
  /** The offset of each and, in the lowest bits, what its key begins with; in ascending order. */
  readonly #places: Float64Array;
  #next = 0;

  /**
   * Takes the places.
   *
   * @param places As {@linkcode toNewestPlaces} makes them.
   */
  constructor(places: Float64Array) {
    this.#places = places.sort();
  }

  /**
   * Tells whether a record that is met is the newest of its key.
   *
   * @param offset Where it lies.
   * @param keyStart What its key begins with.
   * @param tell Told of places before it where nothing is, as a table may say anything.
   */
  take(offset: number, keyStart: number, tell: (offset: number) => void): boolean {
    this.drop(offset, tell, false);
    const wanted = offset * KEY_SHARE + keyStart;
    let found = false;
    for (; this.#offset === offset; this.#next++) {
      if (this.#places[this.#next] === wanted && !found) found = true;
      else tell(offset);
    }
    return found;
  }

  /**
   * Leaves out the places up to one.
   *
   * @param offset The last of them.
   * @param tell Told of those before it, at which nothing was met.
   * @param itself Whether that one is left out, too.
   */
  drop(offset: number, tell: (offset: number) => void, itself: boolean = true): void {
    for (; this.#offset < offset; this.#next++) tell(this.#offset);
    while (itself && this.#offset === offset) this.#next++;
  }

  get #offset(): number {
    return Math.floor((this.#places[this.#next] ?? Infinity) / KEY_SHARE);
  }
}

/**
 * Finds where the newest record of each key is, and a copy of each header.
 *
 * @param table The table of the log's prefix, if it has one.
 * @param tail What lies behind that.
 */
export function toNewestPlaces(
  table: CallTable | undefined,
  tail: CallTail,
): { readonly places: NewestPlaces; readonly headers: Map<Digest, FilePlace> } {
  const { rows } = tail;
  const places = new Float64Array((table?.size ?? 0) + rows.bytes.length / ROW_BYTES);
  let size = 0;
  const headers = new Map<Digest, FilePlace>();
  // A text and an object for each of a million rows would take longer than the rest.
  const take = ({ bytes, view }: ViewedBytes, at: number) => {
    const type = TYPES[view.getUint32(at + KIND_AT, true)];
    const offset = getLength(view, at + DIGEST_BYTES);
    if (type === "header") {
      const key = bytes.subarray(at, at + DIGEST_BYTES).toHex();
      headers.set(key, { offset, length: getLength(view, at + LENGTH_AT) });
    } else if (type === "record") {
      places[size++] = offset * KEY_SHARE + (view.getUint16(at) >>> (16 - KEY_BITS));
    }
  };
  if (table !== undefined) {
    const newer = new Set<number>();
    for (const { key } of tail.lines()) newer.add(table.rowOf(key));
    let row = 0;
    for (const { rows, begin, count } of table.rowPages()) {
      for (let i = 0; i < count; i++) {
        if (!newer.has(row++)) take(rows, begin + i * ROW_BYTES);
      }
    }
  }
  // The tail begins where the table ends: its headers are the newer copies.
  for (let at = 0; at < rows.bytes.length; at += ROW_BYTES) take(rows, at);
  return { places: new NewestPlaces(places.subarray(0, size)), headers };
}

/**
 * Tells whether a row of a tail is an eviction.
 *
 * @param kind The kind of the row.
 * @returns Whether the key is forgotten.
 */
export function isEviction(kind: number): boolean {
  return TYPES[kind] === "eviction";
}

/**
 * Makes the row of a line.
 *
 * @param line The line.
 * @returns A row of a tail or a table.
 */
export function toRow({ key, type, offset, length }: CallLine): TableRow {
  const kind = TYPES.indexOf(type);
  return { digest: key, offset, length, kind, crc: 0, location: LOCATION.dataFile };
}

/**
 * Reads a row of a tail or a table.
 *
 * @returns The line that it is of.
 */
export function toLine({ digest, offset, length, kind }: TableRow): CallLine {
  return { key: digest, type: TYPES[kind] ?? "record", offset, length };
}
