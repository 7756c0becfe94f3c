import { crc32 } from "node:zlib";
import type { Digest } from "../value/encoded_value.ts";
import { type FileSystem, openIfThere, readAt, readWhole, replaceFile } from "./_file_system.ts";
import { type CallLine, scanCalls } from "./call_scan.ts";
import { DigestTable, encodeTable, PLACE, PURPOSE, type TableRow } from "./digest_table.ts";
import type { BagLayout } from "./layout.ts";

/** A log shorter than this is never worth rewriting for its dead lines. */
const SMALL_LOG_BYTES = 1024 * 1024;

/** How much of the begin and the end of the prefix counts for the checksum. */
const SAMPLE_BYTES = 4096;

/** A tail of up to this many bytes is cheaper to scan than a table is to write. */
const SMALL_TAIL_BYTES = 64 * 1024;

/** The table is written anew when the tail has more than this part of the prefix. */
const TAIL_SHARE = 1 / 8;

/**
 * Reads the table of the call log's sealed prefix.
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
  if (table === undefined) return undefined;
  const { length, check } = table.subject;
  return check === checkPrefix(log, length, generation) ? table : undefined;
}

/**
 * Writes the table of the call log anew if its tail has become long.
 *
 * @param fileSystem The seam.
 * @param layout The bag's paths.
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
  const old = readCallTable(layout, log, generation);
  const from = old?.subject.length ?? 0;
  const size = log.seekSync(0, Deno.SeekMode.End);
  if (!isTailLong(size - from, from)) return false;
  const newest = new Map<Digest, CallLine>();
  const { end } = scanCalls(log, from, size, (line) => newest.set(line.key, line));
  const check = checkPrefix(log, end, generation);
  if (check === undefined) return false;
  const rows = Array.from(mergeRows(old, newest));
  const subject = { purpose: PURPOSE.calls, length: end, check };
  replaceFile(fileSystem, layout.callIndex, [encodeTable(subject, rows)]);
  return end > SMALL_LOG_BYTES && 2 * rows.reduce((sum, { length }) => sum + length, 0) < end;
}

/**
 * Tells whether the call log's table should be written anew.
 *
 * @param tail How many bytes have no table.
 * @param prefix How many bytes have one.
 * @returns Whether scanning the tail costs more than it should.
 */
export function isTailLong(tail: number, prefix: number): boolean {
  return tail > Math.max(SMALL_TAIL_BYTES, prefix * TAIL_SHARE);
}

function* mergeRows(
  old: DigestTable | undefined,
  newest: ReadonlyMap<Digest, CallLine>,
): Generator<TableRow> {
  for (let i = 0; i < (old?.size ?? 0); i++) {
    const row = old?.row(i);
    if (row !== undefined && !newest.has(row.digest)) yield row;
  }
  for (const { key, evicted, offset, length } of newest.values()) {
    if (evicted) continue;
    yield { digest: key, offset, length, kind: 0, crc: 0, place: PLACE.subject };
  }
}

/**
 * Recognises the prefix of a log without reading all of it: a log only ever grows.
 *
 * @param log The open call log.
 * @param length The length of the prefix in bytes.
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
