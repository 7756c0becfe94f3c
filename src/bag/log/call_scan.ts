import { LONGEST_LINE_BYTES } from "../../disk/checked_line.ts";
import { type FilePlace, readAt, readPieces } from "../../disk/file_system.ts";
import { type CallLineHead, decodeCallLineHead } from "./call_line.ts";

const CHUNK_BYTES = 256 * 1024;
const LINE_FEED = 0x0a;

/** A line of the call log, and where it lies without its line feed. */
export interface CallLine extends CallLineHead, FilePlace {}

/** What a scan of the call log found. */
interface CallScan {
  /** Where the last complete line ends; a later scan goes on there. */
  readonly end: number;
  /** How many lines were torn, damaged or foreign. */
  readonly skipped: number;
}

/** A line that is none of ours, or not any more; its place is without its line feed. */
export interface SkippedLine extends FilePlace {
  /** The line, good until the next one; its begin if it is longer than any of ours. */
  readonly bytes: Uint8Array;
}

/**
 * Goes over the complete lines of the call log without parsing them. A line that is longer than any
 * of ours is passed over in pieces.
 *
 * @param file The log; other handles may append to it meanwhile.
 * @param from Where to begin: 0, or what an earlier scan returned.
 * @param size The size of the log in bytes.
 * @param visit Called for each sound line, in order, with its bytes, which are good until the next.
 * @param skip Called for each other line.
 * @param read Reads the log.
 * @returns Where to go on, and how many lines were not sound.
 */
export function scanCalls(
  file: Deno.FsFile,
  from: number,
  size: number,
  visit: (line: CallLine, bytes: Uint8Array) => void,
  skip: (line: SkippedLine) => void = () => {},
  read: typeof readAt = readAt,
): CallScan {
  const take = (head: CallLineHead, place: FilePlace, bytes: Uint8Array) =>
    visit({ ...head, ...place }, bytes);
  return scanLines({ file, from, size, read }, decodeCallLineHead, take, skip);
}

/** What is scanned of a log. */
export interface ScannedPart {
  /** The log; other handles may append to it meanwhile. */
  readonly file: Deno.FsFile;
  /** Where to begin. */
  readonly from: number;
  /** Where to end. */
  readonly size: number;
  /** Reads the log. */
  readonly read: typeof readAt;
}

/**
 * Goes over lines of the call log, as {@linkcode scanCalls} does.
 *
 * @typeParam H What is made of a line.
 * @param decode Makes something of a line; nothing of one that is not sound.
 * @param visit Called for each sound line with its place and its bytes, which are good until the next.
 * @param skip Called for each other line.
 * @returns Where to go on, and how many lines were not sound.
 */
export function scanLines<H>(
  { file, from, size, read }: ScannedPart,
  decode: (line: Uint8Array) => H | undefined,
  visit: (head: H, place: FilePlace, bytes: Uint8Array) => void,
  skip: (line: SkippedLine) => void,
): CallScan {
  let buffer = new Uint8Array(Math.min(CHUNK_BYTES, Math.max(size - from, 0)));
  let end = from;
  let skipped = 0;
  while (end < size) {
    const window = buffer.subarray(0, Math.min(buffer.length, size - end));
    if (!read(file, end, window)) break;
    let at = 0;
    for (let feed = window.indexOf(LINE_FEED); feed !== -1; feed = window.indexOf(LINE_FEED, at)) {
      // An empty line is the line feed that each append begins with.
      if (feed > at) {
        const bytes = window.subarray(at, feed);
        const place = { offset: end + at, length: feed - at };
        const head = decode(bytes);
        if (head !== undefined) visit(head, place, bytes);
        else {
          skipped++;
          skip({ ...place, bytes });
        }
      }
      at = feed + 1;
    }
    if (at === 0 && window.length >= LONGEST_LINE_BYTES) {
      const feed = findLineFeed(file, end, size);
      skipped++;
      skip({ offset: end, length: feed - end, bytes: window });
      at = Math.min(feed + 1, size) - end;
    } else if (at === 0) {
      if (end + window.length >= size) break;
      // One line is longer than the buffer.
      buffer = new Uint8Array(Math.min(buffer.length * 2, LONGEST_LINE_BYTES));
    }
    end += at;
  }
  return { end, skipped };
}

/** Finds the end of a line, whatever its length. */
function findLineFeed(file: Deno.FsFile, from: number, size: number): number {
  let at = from;
  for (const piece of readPieces(file, from, size)) {
    const feed = piece.indexOf(LINE_FEED);
    if (feed !== -1) return at + feed;
    at += piece.length;
  }
  return at;
}
