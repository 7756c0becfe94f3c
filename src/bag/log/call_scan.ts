import { LONGEST_LINE_BYTES } from "../../disk/checked_line.ts";
import { type FilePlace, readAt } from "../../disk/file_system.ts";
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
    end += at;
    if (at > 0) continue;
    // One line is longer than the buffer, which finds its end before memory is taken for it.
    const feed = findLineFeed({ file, from: end + window.length, size, read }, buffer);
    const length = feed - end;
    if (length < LONGEST_LINE_BYTES) {
      if (feed === size) break;
      buffer = new Uint8Array(
        Math.min(Math.max(length + 1, 2 * buffer.length), LONGEST_LINE_BYTES),
      );
    } else {
      const bytes = readBegin(file, end, window, read);
      if (bytes === undefined) break;
      skipped++;
      skip({ offset: end, length, bytes });
      end = Math.min(feed + 1, size);
    }
  }
  return { end, skipped };
}

/**
 * Reads the begin of a line that is longer than any of ours: as much as those have, but of a hole, which
 * may be all that a log has, a piece says as much.
 */
function readBegin(
  file: Deno.FsFile,
  offset: number,
  piece: Uint8Array,
  read: typeof readAt,
): Uint8Array | undefined {
  if (!read(file, offset, piece)) return undefined;
  if (piece.every((byte) => byte === 0)) return piece;
  const bytes = new Uint8Array(LONGEST_LINE_BYTES);
  return read(file, offset, bytes) ? bytes : undefined;
}

/**
 * Finds the end of a line, whatever its length.
 *
 * @param buffer What the line is read to, piece by piece.
 */
function findLineFeed({ file, from, size, read }: ScannedPart, buffer: Uint8Array): number {
  for (let at = from; at < size; at += buffer.length) {
    const piece = buffer.subarray(0, Math.min(buffer.length, size - at));
    if (!read(file, at, piece)) return at;
    const feed = piece.indexOf(LINE_FEED);
    if (feed !== -1) return at + feed;
  }
  return size;
}
