/**
 * A line of `calls.jsonl`, as `FORMAT.md` specifies it ("The call log").
 *
 * Each append is one write of a line feed, the line, and a line feed, so that a line that was torn
 * by the death of its writer harms only itself. A record begins with its key, so that the key is
 * found without parsing.
 *
 * @module
 */
import type { Digest } from "../value/value.ts";
import { CHECK_BYTES, encodeCheckedLine, isCheckedLine } from "./checked_line.ts";

/**
 * The longest line in bytes, line feeds included: what is longer is none of ours, and takes no memory.
 */
export const LONGEST_LINE_BYTES = 16 * 1024 * 1024;

const KEY_START = '{"key":"';
const EVICT_START = '{"evict":"';
const DIGEST_LENGTH = 64;

/** How much of the end of a line can hold its checksum. */
const CHECK_AREA_BYTES = CHECK_BYTES + 6;

const DECODER = new TextDecoder();

/** What a line says at first sight. */
export interface CallLineHead {
  /** The key that the line is about. */
  readonly key: Digest;
  /** Whether the key is forgotten from here on. */
  readonly evicted: boolean;
}

/**
 * Makes what is appended for a record.
 *
 * @param key The key of the call.
 * @param fields What the record says beside its key.
 * @returns Line feed, line, line feed.
 */
export function encodeCallLine(
  key: Digest,
  fields: Record<string, unknown>,
): Uint8Array<ArrayBuffer> {
  const body = JSON.stringify("key" in fields ? omitKey(fields) : fields).slice(1, -1);
  return encodeCheckedLine(`${KEY_START}${key}"${body === "" ? "" : ","}${body}`);
}

function omitKey({ key: _, ...rest }: Record<string, unknown>): Record<string, unknown> {
  return rest;
}

/**
 * Makes what is appended when a key is forgotten.
 *
 * @param key The key of the call.
 * @returns Line feed, line, line feed.
 */
export function encodeEvictLine(key: Digest): Uint8Array<ArrayBuffer> {
  return encodeCheckedLine(`${EVICT_START}${key}"`);
}

/**
 * Reads what a line is about.
 *
 * @param line The line without line feeds.
 * @returns The key, or `undefined` when the line is torn, damaged, or not one of ours.
 */
export function decodeCallLineHead(line: Uint8Array): CallLineHead | undefined {
  const evicted = line[2] === EVICT_START.charCodeAt(2);
  const start = evicted ? EVICT_START : KEY_START;
  const keyEnd = start.length + DIGEST_LENGTH;
  if (line.length < keyEnd + CHECK_BYTES || !isCheckedLine(line)) return undefined;
  const head = DECODER.decode(line.subarray(0, keyEnd));
  return head.startsWith(start) ? { key: head.slice(start.length), evicted } : undefined;
}

/**
 * Tells what became of a line that is not sound: one without a checksum is one that its writer did
 * not finish, and never acknowledged; any other was finished once.
 *
 * @param line The line without line feeds.
 * @returns Whether it is ours, and was not finished.
 */
export function isUnfinishedLine(line: Uint8Array): boolean {
  const begin = DECODER.decode(line.subarray(0, EVICT_START.length));
  const end = DECODER.decode(line.subarray(-CHECK_AREA_BYTES));
  const isOurs = [KEY_START, EVICT_START].some((start) =>
    begin.startsWith(start.slice(0, line.length))
  );
  return isOurs && !end.includes('"crc":"') && !end.endsWith("}");
}
