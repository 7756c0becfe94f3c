import { crc32 } from "node:zlib";
import { lookInside, toCheck } from "../../disk/checked_line.ts";
import { type FilePlace, readAt, readPieces } from "../../disk/file_system.ts";
import { decodeCallLineHead, LINE_STARTS } from "./call_line.ts";
import type { SkippedLine } from "./call_scan.ts";

const STARTS = Object.values(LINE_STARTS);

/** What a rewrite leaves at the end of a log that it has replaced; a loss of power may undo the rest. */
const MOVED = '{"moved":true}';

const CHECK_START = ',"crc":"';

/** How many bytes of a checksum may be others for it to be taken for one that is damaged: few texts end so. */
const MOST_UNLIKE = 1;

const LINE_FEED = 0x0a;

/**
 * Tells what became of a line that is not sound: whether it is what the death of its writer or a loss
 * of power leaves of a line that was never acknowledged. That is the begin of a line, or nothing of it,
 * and then zeros if a later write has reached the disk before it. Anything else was acknowledged once,
 * and is damaged.
 *
 * @param file The log.
 * @param line The line, as a scan has passed it over.
 */
export function isUnfinished(file: Deno.FsFile, line: SkippedLine): boolean {
  const { offset, length, bytes } = line;
  if (isFollowedByOwn(file, line)) return isMoved(bytes);
  const hole = bytes.indexOf(0);
  if (hole === -1) return bytes.length === length && isBegin(bytes);
  const zeros = { offset: offset + hole, length: length - hole };
  return (hole === 0 || isBegin(bytes.subarray(0, hole))) && isZero(file, zeros);
}

/**
 * Whether the line feed behind a line is its own, as a second one follows, with which the next line
 * begins: what comes last in a write is not there when the rest is not.
 */
function isFollowedByOwn(file: Deno.FsFile, { offset, length }: FilePlace): boolean {
  const feeds = new Uint8Array(2);
  return readAt(file, offset + length, feeds) && feeds.every((byte) => byte === LINE_FEED);
}

function isMoved(line: Uint8Array): boolean {
  return line.length === MOVED.length && hasText(line, MOVED);
}

function hasText(line: Uint8Array, text: string): boolean {
  return line.every((byte, i) => byte === text.charCodeAt(i));
}

function isZero(file: Deno.FsFile, { offset, length }: FilePlace): boolean {
  for (const piece of readPieces(file, offset, offset + length)) {
    if (!isHole(piece)) return false;
  }
  return true;
}

/** Whether bytes are zeros; a call for each byte would take a second for a hole of 100 MB. */
function isHole(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** Whether bytes are the begin of a line of ours, or all of it but its line feed. */
function isBegin(line: Uint8Array): boolean {
  if (MOVED.startsWith(toText(line.subarray(0, MOVED.length + 1)))) return true;
  const isOurs = STARTS.some((start) => hasText(line.subarray(0, start.length), start));
  if (!isOurs || line.some((byte) => byte < 0x20)) return false;
  if (decodeCallLineHead(line) !== undefined) return true;
  if (looksFinished(line)) return false;
  const at = findCheck(line);
  if (at !== -1 && isOpen(line.subarray(0, at), 1)) {
    return toCheck(crc32(line.subarray(0, at))).startsWith(toText(line.subarray(at)));
  }
  return isOpen(line);
}

/** Whether a line ends as one does that was finished, but for a few bytes that may be damaged. */
function looksFinished(line: Uint8Array): boolean {
  const pattern = toCheck(0);
  const end = toText(line.subarray(-pattern.length));
  let alike = 0;
  for (let i = 0; i < end.length; i++) {
    const isDigit = pattern[i] === "0" && /[0-9a-f]/.test(end[i] ?? "");
    if (isDigit || pattern[i] === end[i]) alike++;
  }
  return alike >= pattern.length - MOST_UNLIKE;
}

/** Where the checksum begins of a line that ends in the middle of it. */
function findCheck(line: Uint8Array): number {
  const end = toText(line.subarray(-toCheck(0).length + 1));
  const at = end.lastIndexOf(CHECK_START);
  return at === -1 ? -1 : line.length - end.length + at;
}

/** As bytes of one character each, so that lengths are those of the bytes. */
function toText(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** Whether the text of an object is not at its end: of one with so many levels open, outside of texts. */
function isOpen(line: Uint8Array, levels?: number): boolean {
  const { depth, inText } = lookInside(line);
  return levels === undefined ? depth > 0 || inText : depth === levels && !inText;
}
