/**
 * Whether a file of a backup is how that of the bag begins: journals and the call log only grow, but for
 * records that were struck on a full disk.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { type FilePlace, FileWindow, readPiece } from "../../disk/file_system.ts";
import { scanCalls } from "../log/call_scan.ts";
import { isStruck } from "../log/strike_line.ts";

/** How much of the begin and of the end is compared. */
const SAMPLE_BYTES = 4096;

/** How much of two logs is compared at once. */
const PIECE_BYTES = 256 * 1024;

/**
 * Tells whether a file is how another one begins, by its first and last bytes.
 *
 * @param length How much of it counts, in bytes.
 * @param struck What may differ.
 */
export function isPrefix(
  file: Deno.FsFile,
  other: Deno.FsFile | undefined,
  length: number,
  struck: readonly FilePlace[] = [],
): boolean {
  if (other === undefined) return length === 0;
  const size = Math.min(SAMPLE_BYTES, length);
  return [0, length - size].every((begin) => {
    const samples = [file, other].map((each) => readSample(each, begin, size, struck));
    const [one, two] = samples;
    return one !== undefined && two !== undefined && Buffer.compare(one, two) === 0;
  });
}

function readSample(
  file: Deno.FsFile,
  begin: number,
  size: number,
  struck: readonly FilePlace[],
): Uint8Array | undefined {
  const sample = readPiece(file, begin, size);
  for (const { offset, length } of struck) {
    sample?.fill(0, Math.max(0, offset - begin), Math.max(0, offset + length - begin));
  }
  return sample;
}

/**
 * Finds the records that were struck since the log was copied.
 *
 * @param log The log.
 * @param copy The copy of its begin.
 * @param length How long that is, in bytes.
 * @returns Where they are.
 */
export function findStruck(
  log: Deno.FsFile | undefined,
  copy: Deno.FsFile,
  length: number,
): FilePlace[] {
  const struck: FilePlace[] = [];
  // As a rule there are none, and to compare bytes takes a tenth of looking at each line.
  if (log === undefined || isSame(log, copy, length)) return struck;
  const window = new FileWindow(copy);
  scanCalls(log, 0, length, ({ type, offset, length }, bytes) => {
    if (type !== "eviction" || !isStruck(bytes)) return;
    const copied = window.read(offset, length);
    if (copied === undefined || Buffer.compare(copied, bytes) !== 0) {
      struck.push({ offset, length });
    }
  });
  return struck;
}

function isSame(file: Deno.FsFile, other: Deno.FsFile, length: number): boolean {
  const windows = [new FileWindow(file), new FileWindow(other)];
  for (let at = 0; at < length; at += PIECE_BYTES) {
    const [one, two] = windows.map((window) => window.read(at, Math.min(PIECE_BYTES, length - at)));
    if (one === undefined || two === undefined || Buffer.compare(one, two) !== 0) return false;
  }
  return true;
}
