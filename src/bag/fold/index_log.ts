import { type FileSystem, openIfThere, replaceFile } from "../../disk/file_system.ts";
import type { BagLayout } from "../../disk/layout.ts";
import { scanCalls } from "../log/call_scan.ts";
import { CallTable, CallTail, checkPrefix, isEviction, isTailLong } from "../log/call_table.ts";
import { isUnfinished } from "../log/unfinished_line.ts";
import {
  compareDigests,
  encodeSortedTable,
  getLength,
  LENGTH_AT,
  PURPOSE,
  readRow,
  ROW_BYTES,
  sortRows,
  toViewed,
} from "../table/digest_table.ts";

/** A log shorter than this is never worth rewriting for its dead lines. */
const SMALL_LOG_BYTES = 1024 * 1024;

/** How much of a table is written at once. */
const PIECE_BYTES = 256 * 1024;

/**
 * Writes the table of the call log anew if its tail has become long.
 *
 * @param generation The generation of the log.
 * @returns Whether most of the log was found to be lines that stand for nothing any more.
 */
export function sealCalls(
  fileSystem: FileSystem,
  layout: BagLayout,
  generation: number,
): boolean {
  using log = openIfThere(layout.callLog);
  if (log === undefined) return false;
  using old = CallTable.open(layout, log, generation);
  const from = old?.end ?? 0;
  const size = log.seekSync(0, Deno.SeekMode.End);
  if (!isTailLong(size - from, from)) return false;
  const tail = new CallTail();
  let damaged = old?.damaged ?? 0;
  const { end } = scanCalls(log, from, size, (line) => tail.set(line), (line) => {
    if (!isUnfinished(log, line)) damaged++;
  });
  const check = checkPrefix(log, end, generation);
  if (check === undefined) return false;
  const newest = sortRows(tail.rows);
  const subject = { purpose: PURPOSE.calls, length: end, check, damaged };
  let live = 0;
  const pieces = () => {
    live = 0;
    return toPieces(mergeRows(old?.rowBytes() ?? [], newest), (row) => {
      live += getLength(toViewed(row).view, LENGTH_AT);
    });
  };
  replaceFile(fileSystem, layout.callIndex, encodeSortedTable(subject, pieces));
  return end > SMALL_LOG_BYTES && 2 * live < end;
}

/** Merges sorted rows; a newer one stands for the older one, and an eviction for none. */
function* mergeRows(
  old: Iterable<Uint8Array<ArrayBuffer>>,
  newest: Uint8Array<ArrayBuffer>,
): Generator<Uint8Array<ArrayBuffer>> {
  const rows = toViewed(newest);
  let at = 0;
  function* takeUntil(
    row: Uint8Array<ArrayBuffer> | undefined,
  ): Generator<Uint8Array<ArrayBuffer>> {
    for (; at < newest.length; at += ROW_BYTES) {
      if (row !== undefined && compareDigests(newest, at, row, 0) >= 0) return;
      if (!isEviction(readRow(rows, at).kind)) yield newest.subarray(at, at + ROW_BYTES);
    }
  }
  for (const row of old) {
    yield* takeUntil(row);
    if (at === newest.length || compareDigests(newest, at, row, 0) !== 0) yield row;
  }
  yield* takeUntil(undefined);
}

/** Joins rows into larger pieces, each good until the next. */
function* toPieces(
  rows: Iterable<Uint8Array<ArrayBuffer>>,
  visit: (row: Uint8Array<ArrayBuffer>) => void,
): Generator<Uint8Array<ArrayBuffer>> {
  const piece = new Uint8Array(PIECE_BYTES);
  let length = 0;
  for (const row of rows) {
    visit(row);
    piece.set(row, length);
    length += row.length;
    if (length < PIECE_BYTES) continue;
    yield piece;
    length = 0;
  }
  if (length > 0) yield piece.subarray(0, length);
}
