/**
 * What is left in a line of the call log that is damaged: a line feed that is lost or flipped joins
 * lines, or puts a byte to one, and the lines themselves are whole.
 *
 * @module
 */
import {
  type CallLineHead,
  decodeCallLineHead,
  decodeCheckedLine,
} from "../../disk/checked_line.ts";

const HEAD_REGEXP = /\{"(key|evict)":"([0-9a-f]{64})"/g;
const CHECK_REGEXP = /,"crc":"[0-9a-f]{8}"\}/g;

/** How many begins are tried for each end: objects inside of a record may look like one. */
const MOST_BEGINS = 4;

const DECODER = new TextDecoder("latin1");

/** What may be the begin of a line, and where in the bytes it is. */
interface FoundHead extends CallLineHead {
  readonly at: number;
}

/**
 * Finds what looks like the begin of a line.
 *
 * @param bytes A line that is damaged.
 */
export function* findHeads(bytes: Uint8Array): Generator<FoundHead> {
  for (const { 1: name, 2: key = "", index } of DECODER.decode(bytes).matchAll(HEAD_REGEXP)) {
    yield { key, evicted: name === "evict", at: index };
  }
}

/** A whole line inside of a damaged one. */
export interface SalvagedLine {
  /** Where in the bytes it begins. */
  readonly begin: number;
  /** Where it ends. */
  readonly end: number;
}

/**
 * Finds the whole lines inside of a damaged one. No more is tried than takes a few times as long as to
 * read it.
 *
 * @param bytes The damaged line.
 * @returns The lines, in order.
 */
export function* findWhole(bytes: Uint8Array): Generator<SalvagedLine> {
  const heads = Array.from(findHeads(bytes), ({ at }) => at);
  let rest = MOST_BEGINS * bytes.length;
  let next = 0;
  let begins: number[] = [];
  for (const { 0: check, index } of DECODER.decode(bytes).matchAll(CHECK_REGEXP)) {
    const end = index + check.length;
    for (; next < heads.length && (heads[next] ?? end) < end; next++) {
      begins = [...begins, heads[next] ?? end].slice(-MOST_BEGINS);
    }
    const found = begins.find((begin) => {
      rest -= end - begin;
      return rest >= 0 && isSoundLine(bytes.subarray(begin, end));
    });
    if (rest < 0) return;
    if (found === undefined) continue;
    yield { begin: found, end };
    begins = [];
  }
}

/**
 * Tells whether a line is one of a log.
 *
 * @param line The line without line feeds.
 * @returns Whether it has its checksum, and says of the key that it begins with.
 */
export function isSoundLine(line: Uint8Array): boolean {
  const head = decodeCallLineHead(line);
  if (head === undefined) return false;
  const content = decodeCheckedLine(line);
  return (head.evicted ? content?.evict : content?.key) === head.key;
}
