import { readAt } from "./_file_system.ts";
import { type CallLineHead, decodeCallLineHead } from "./call_line.ts";

const CHUNK_BYTES = 256 * 1024;
const LINE_FEED = 0x0a;

/** A line of the call log. */
export interface CallLine extends CallLineHead {
  /** Where the line begins, in bytes. */
  readonly offset: number;
  /** How long the line is without its line feed, in bytes. */
  readonly length: number;
}

/** What a scan of the call log found. */
export interface CallScan {
  /** Where the last complete line ends; a later scan goes on there. */
  readonly end: number;
  /** How many lines were torn, damaged or foreign. */
  readonly skipped: number;
}

/**
 * Goes over the complete lines of the call log without parsing them.
 *
 * @param file The log; other handles may append to it meanwhile.
 * @param from Where to begin: 0, or what an earlier scan returned.
 * @param size The size of the log in bytes.
 * @param visit Called for each sound line, in order.
 * @param visitUnsound Called for each other line with its place.
 * @returns Where to go on, and how many lines were not sound.
 */
export function scanCalls(
  file: Deno.FsFile,
  from: number,
  size: number,
  visit: (line: CallLine) => void,
  visitUnsound: (line: Pick<CallLine, "offset" | "length">) => void = () => {},
): CallScan {
  let buffer = new Uint8Array(Math.min(CHUNK_BYTES, Math.max(size - from, 0)));
  let end = from;
  let skipped = 0;
  while (end < size) {
    const window = buffer.subarray(0, Math.min(buffer.length, size - end));
    if (!readAt(file, end, window)) break;
    let at = 0;
    for (let feed = window.indexOf(LINE_FEED); feed !== -1; feed = window.indexOf(LINE_FEED, at)) {
      // An empty line is the line feed that each append begins with.
      if (feed > at) {
        const head = decodeCallLineHead(window.subarray(at, feed));
        const place = { offset: end + at, length: feed - at };
        if (head === undefined) {
          skipped++;
          visitUnsound(place);
        } else visit({ ...head, ...place });
      }
      at = feed + 1;
    }
    if (at === 0) {
      if (end + window.length >= size) break;
      // One line is longer than the buffer.
      buffer = new Uint8Array(buffer.length * 2);
    }
    end += at;
  }
  return { end, skipped };
}
