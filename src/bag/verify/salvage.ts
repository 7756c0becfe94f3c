/**
 * What is left in a line of the call log that is damaged: a line feed that is lost or flipped joins
 * lines, or puts a byte to one, and the lines themselves are whole.
 *
 * @module
 */
import { type CallLineHead, decodeCallLineHead, fromShort, toHeaderKey } from "../log/call_line.ts";

const HEAD_REGEXP =
  /\{"(?:(?:key|evict)":"(?<hex>[0-9a-f]{64})|call":"(?<short>[\w-]{43})|head":"(?<name>[\w-]{16}))"/g;
const EVICT_START = '{"evict"';
const CHECK_REGEXP = /,"crc":"[0-9a-f]{8}"\}/g;

/** How many begins are tried for each end: objects inside of a record may look like one. */
const MOST_BEGINS = 4;

const DECODER = new TextDecoder("latin1");

/** What may be the begin of a line, and where in the bytes it is. */
interface FoundHead extends Omit<CallLineHead, "header"> {
  readonly at: number;
}

/**
 * Finds what looks like the begin of a line.
 *
 * @param bytes A line that is damaged.
 */
export function* findHeads(bytes: Uint8Array): Generator<FoundHead> {
  for (const { 0: start, index: at, groups = {} } of DECODER.decode(bytes).matchAll(HEAD_REGEXP)) {
    const { hex, short, name } = groups;
    const key = hex ?? (name === undefined ? fromShort(short) : toHeaderKey(name));
    if (key === undefined) continue;
    if (name !== undefined) yield { key, type: "header", at };
    else yield { key, type: start.startsWith(EVICT_START) ? "eviction" : "record", at };
  }
}

/** A whole line inside of a damaged one. */
export interface SalvagedLine {
  /** What it is about. */
  readonly head: CallLineHead;
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
    const found = findLine(bytes, begins, end, (length) => (rest -= length) >= 0);
    if (rest < 0) return;
    if (found === undefined) continue;
    yield found;
    begins = [];
  }
}

/** The first line of some begins that has its checksum, if there is time for all that are tried. */
function findLine(
  bytes: Uint8Array,
  begins: readonly number[],
  end: number,
  hasTime: (length: number) => boolean,
): SalvagedLine | undefined {
  for (const begin of begins) {
    if (!hasTime(end - begin)) return undefined;
    const head = decodeCallLineHead(bytes.subarray(begin, end));
    if (head !== undefined) return { head, begin, end };
  }
  return undefined;
}
