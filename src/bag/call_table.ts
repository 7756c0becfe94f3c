import { crc32 } from "node:zlib";
import type { Digest } from "../value/encoded_value.ts";
import { type FileSystem, openIfThere, readAt, readWhole, replaceFile } from "./_file_system.ts";
import { scanCalls } from "./call_scan.ts";
import { CallTail, isEviction } from "./call_tail.ts";
import { DigestTable, PURPOSE, readTableHeader } from "./digest_table.ts";
import type { BagLayout } from "./layout.ts";
import { encodeSortedTable, sortRows } from "./table_writer.ts";
import { DIGEST_BYTES, readRow, ROW_BYTES, toRowBytes } from "./table_row.ts";

/** How much of the begin and the end of the prefix counts for the checksum. */
const SAMPLE_BYTES = 4096;

/** A tail of up to this many bytes is cheaper to scan than a table is to write. */
const SMALL_TAIL_BYTES = 64 * 1024;

/** The table is written anew when the tail has more than this part of the prefix… */
const TAIL_SHARE = 1 / 8;

/** …or more than this, which takes about 40 ms to scan. */
export const LONG_TAIL_BYTES = 16 * 1024 * 1024;

/** How much of a table is written at once. */
const PIECE_BYTES = 256 * 1024;

/** Where a record lies in the log. */
export interface CallPlace {
  /** Where the line begins, in bytes. */
  readonly offset: number;
  /** How long the line is without its line feed, in bytes. */
  readonly length: number;
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
   * @param layout The bag's paths.
   * @param log The open call log.
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
    const table = isSame(file, known)
      ? undefined
      : DigestTable.read(file, PURPOSE.calls, () => file);
    if (table !== undefined && isOf(table, log, generation)) return new CallTable(file, table);
    file.close();
    return undefined;

    function isSame(file: Deno.FsFile, known: CallTable | undefined): boolean {
      return known !== undefined &&
        readTableHeader(file, PURPOSE.calls)?.crc === known.#table.check;
    }
  }

  /** Where in the log the prefix ends, in bytes. */
  get end(): number {
    return this.#table.subject.length;
  }

  /** The bytes of the rows in order, each good until the next. */
  rowBytes(): Iterable<Uint8Array> {
    return this.#table.rowBytes();
  }

  /**
   * Finds where the newest record of a key lies in the prefix.
   *
   * @param key The key of the call.
   * @returns The place, or `undefined` when there is none.
   */
  find(key: Digest): CallPlace | undefined {
    const row = this.#table.find(key);
    return row === -1 ? undefined : this.#table.row(row);
  }

  /**
   * Goes over the places of all records, in no order.
   *
   * @param isNewer Whether there is something newer of a key.
   */
  *places(isNewer: (key: Digest) => boolean): Generator<CallPlace> {
    for (let i = 0; i < this.#table.size; i++) {
      const { digest, offset, length } = this.#table.row(i);
      if (!isNewer(digest)) yield { offset, length };
    }
  }

  /** Lets go of the file. */
  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/**
 * Reads the table of the call log's sealed prefix into memory.
 *
 * @param layout The bag's paths.
 * @param log The open call log.
 * @param generation The generation of the log.
 * @returns The table, or `undefined` when it is missing, damaged, or of another log.
 */
export function readCallTable(
  layout: BagLayout,
  log: Deno.FsFile,
  generation: number,
): DigestTable | undefined {
  const bytes = readWhole(layout.callIndex);
  const table = bytes && DigestTable.decode(bytes, PURPOSE.calls);
  return table !== undefined && isOf(table, log, generation) ? table : undefined;
}

function isOf({ subject }: DigestTable, log: Deno.FsFile, generation: number): boolean {
  return subject.check === checkPrefix(log, subject.length, generation);
}

/**
 * Writes the table of the call log anew if its tail has become long.
 *
 * @param fileSystem The seam.
 * @param layout The bag's paths.
 * @param log The open call log.
 * @param generation The generation of the log.
 */
export function sealCalls(
  fileSystem: FileSystem,
  layout: BagLayout,
  log: Deno.FsFile,
  generation: number,
): void {
  using old = CallTable.open(layout, log, generation);
  const from = old?.end ?? 0;
  const size = log.seekSync(0, Deno.SeekMode.End);
  if (!isTailLong(size - from, from)) return;
  const tail = new CallTail();
  const { end } = scanCalls(log, from, size, (line) => tail.set(line));
  const check = checkPrefix(log, end, generation);
  if (check === undefined) return;
  const newest = sortRows(tail.rows);
  const subject = { purpose: PURPOSE.calls, length: end, check };
  const pieces = () => toPieces(mergeRows(old?.rowBytes() ?? [], newest));
  replaceFile(fileSystem, layout.callIndex, encodeSortedTable(subject, pieces));
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

/** Merges sorted rows; a newer one stands for the older one, and an eviction for none. */
function* mergeRows(
  old: Iterable<Uint8Array>,
  newest: Uint8Array<ArrayBuffer>,
): Generator<Uint8Array> {
  const rows = toRowBytes(newest);
  let at = 0;
  function* takeUntil(row: Uint8Array | undefined): Generator<Uint8Array> {
    for (; at < newest.length; at += ROW_BYTES) {
      if (row !== undefined && compareDigests(newest, at, row) >= 0) return;
      if (!isEviction(readRow(rows, at).kind)) yield newest.subarray(at, at + ROW_BYTES);
    }
  }
  for (const row of old) {
    yield* takeUntil(row);
    if (at === newest.length || compareDigests(newest, at, row) !== 0) yield row;
  }
  yield* takeUntil(undefined);
}

function compareDigests(rows: Uint8Array, at: number, row: Uint8Array): number {
  for (let i = 0; i < DIGEST_BYTES; i++) {
    const difference = (rows[at + i] ?? 0) - (row[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Joins rows into larger pieces, each good until the next. */
function* toPieces(rows: Iterable<Uint8Array>): Generator<Uint8Array> {
  const piece = new Uint8Array(PIECE_BYTES);
  let length = 0;
  for (const row of rows) {
    piece.set(row, length);
    length += row.length;
    if (length < PIECE_BYTES) continue;
    yield piece;
    length = 0;
  }
  if (length > 0) yield piece.subarray(0, length);
}

/** Recognises the prefix of a log without reading all of it: a log only ever grows. */
function checkPrefix(log: Deno.FsFile, length: number, generation: number): number | undefined {
  const sample = new Uint8Array(Math.min(SAMPLE_BYTES, length));
  if (!readAt(log, 0, sample)) return undefined;
  const check = crc32(sample, generation);
  return readAt(log, length - sample.length, sample) ? crc32(sample, check) : undefined;
}
