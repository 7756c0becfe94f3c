import { crc32 } from "node:zlib";
import { encodeTableHeader, type TableSubject, toTableBytes } from "./table_header.ts";
import {
  createRowBytes,
  DIGEST_BYTES,
  ROW_BYTES,
  type RowBytes,
  type TableRow,
  writeRow,
} from "./table_row.ts";

const RADIX_BITS = 16;
const RADIX = 1 << RADIX_BITS;

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
  const unsorted = createRowBytes(rows.length);
  let at = 0;
  for (const row of rows) {
    writeRow(unsorted, at, row);
    at += ROW_BYTES;
  }
  const sorted = sortRows(unsorted);
  const bytes = new Uint8Array(toTableBytes(rows.length));
  bytes.set(encodeTableHeader({ subject, size: rows.length, crc: crc32(sorted) }));
  bytes.set(sorted, toTableBytes(0));
  return bytes;
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
  subject: TableSubject,
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
 * Sorts rows by their digests. Digests are uniform, so a radix sort of their first bytes is all but
 * done; it takes no object a row.
 *
 * @param rows The rows, each digest once.
 * @returns A sorted copy.
 */
export function sortRows({ bytes, view }: RowBytes): Uint8Array<ArrayBuffer> {
  const size = bytes.length / ROW_BYTES;
  const prefixes = new Uint32Array(size);
  for (let row = 0; row < size; row++) prefixes[row] = view.getUint32(row * ROW_BYTES);
  let order = Uint32Array.from({ length: size }, (_, row) => row);
  for (let shift = 0; shift < 32; shift += RADIX_BITS) order = sortStep(order, prefixes, shift);
  settleEqual(order, prefixes, bytes);
  const sorted = new Uint8Array(bytes.length);
  let at = 0;
  for (const row of order) {
    sorted.set(bytes.subarray(row * ROW_BYTES, (row + 1) * ROW_BYTES), at);
    at += ROW_BYTES;
  }
  return sorted;
}

/** One pass of the radix sort: stable, by the bits of the prefixes from `shift` on. */
function sortStep(
  order: Uint32Array<ArrayBuffer>,
  prefixes: Uint32Array,
  shift: number,
): Uint32Array<ArrayBuffer> {
  const ends = new Uint32Array(RADIX + 1);
  const digitOf = (row: number) => ((prefixes[row] ?? 0) >>> shift) % RADIX;
  for (const row of order) bump(ends, digitOf(row) + 1);
  for (let digit = 1; digit <= RADIX; digit++) ends[digit] = at(ends, digit) + at(ends, digit - 1);
  const next = new Uint32Array(order.length);
  for (const row of order) next[bump(ends, digitOf(row))] = row;
  return next;
}

function at(counts: Uint32Array, index: number): number {
  return counts[index] ?? 0;
}

/** Counts one more, and returns the count before. */
function bump(counts: Uint32Array, index: number): number {
  const before = at(counts, index);
  counts[index] = before + 1;
  return before;
}

/** Orders the few rows whose prefixes are equal, by insertion. */
function settleEqual(order: Uint32Array, prefixes: Uint32Array, bytes: Uint8Array): void {
  for (let end = 1; end < order.length; end++) {
    const row = order[end] ?? 0;
    let place = end;
    for (; place > 0; place--) {
      const before = order[place - 1] ?? 0;
      if (prefixes[before] !== prefixes[row] || compareDigests(bytes, before, row) <= 0) break;
      order[place] = before;
    }
    order[place] = row;
  }
}

function compareDigests(bytes: Uint8Array, one: number, other: number): number {
  for (let i = 0; i < DIGEST_BYTES; i++) {
    const difference = (bytes[one * ROW_BYTES + i] ?? 0) - (bytes[other * ROW_BYTES + i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
