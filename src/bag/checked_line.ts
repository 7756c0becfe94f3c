/**
 * JSON objects that end with the CRC-32 of their own text: lines of the call log, the manifest.
 * `FORMAT.md` specifies the bytes ("The checked line").
 *
 * @module
 */
import { crc32 } from "node:zlib";

/** The length of `,"crc":"01234567"}` in bytes. */
export const CHECK_BYTES = 18;

const MAX_DEPTH = 200;

/** A shorter line is not worth a look at its depth: what it nests, any stack takes. */
const DEEP_BYTES = 4096;

/** What stands before the digits of the checksum, and after them. */
const BEFORE_DIGITS = ',"crc":"';
const AFTER_DIGITS = '"}';
const DIGITS = 8;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/**
 * Makes a line between two line feeds.
 *
 * @param text The JSON text of an object with at least one field, without the last brace.
 * @returns Line feed, line, line feed.
 */
export function encodeCheckedLine(text: string): Uint8Array<ArrayBuffer> {
  // Three bytes for each UTF-16 unit is the most that UTF-8 takes.
  const bytes = new Uint8Array(text.length * 3 + CHECK_BYTES + 2);
  const textEnd = 1 + ENCODER.encodeInto(text, bytes.subarray(1)).written;
  const check = toCheck(bytes.subarray(1, textEnd));
  ENCODER.encodeInto(`\n`, bytes);
  ENCODER.encodeInto(`${check}\n`, bytes.subarray(textEnd));
  return bytes.subarray(0, textEnd + CHECK_BYTES + 1);
}

/**
 * Tells whether a line is as it was written.
 *
 * @param line The line without line feeds.
 * @returns Whether it ends with its checksum.
 */
export function isCheckedLine(line: Uint8Array): boolean {
  const textEnd = line.length - CHECK_BYTES;
  if (textEnd < 0) return false;
  const digitsAt = textEnd + BEFORE_DIGITS.length;
  return hasText(line, textEnd, BEFORE_DIGITS) &&
    hasText(line, digitsAt + DIGITS, AFTER_DIGITS) &&
    readDigits(line, digitsAt) === crc32(line.subarray(0, textEnd));
}

function hasText(line: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (line[at + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

/** The number that the digits of a checksum stand for; NaN if one is none, or a capital letter. */
function readDigits(line: Uint8Array, at: number): number {
  let number = 0;
  for (let i = at; i < at + DIGITS; i++) {
    const byte = line[i] ?? 0;
    if (byte >= 0x30 && byte <= 0x39) number = number * 16 + byte - 0x30;
    else if (byte >= 0x61 && byte <= 0x66) number = number * 16 + byte - 0x57;
    else return NaN;
  }
  return number;
}

/**
 * Reads a line.
 *
 * @param line The line without line feeds.
 * @returns The object without its checksum, or `undefined` when the line is damaged.
 */
export function decodeCheckedLine(line: Uint8Array): Record<string, unknown> | undefined {
  if (!isCheckedLine(line) || isDeep(line)) return undefined;
  const content = parse(`${DECODER.decode(line.subarray(0, line.length - CHECK_BYTES))}}`);
  return isRecord(content) ? content : undefined;
}

/**
 * Tells whether a line is nested so deeply that those who walk through it could run out of stack.
 * A short one cannot be.
 *
 * @param line The text of a JSON object as UTF-8.
 * @returns Whether it is nested deeper than any record of ours.
 */
export function isDeep(line: Uint8Array): boolean {
  if (line.length < DEEP_BYTES) return false;
  let depth = 0;
  let inText = false;
  for (let i = 0; i < line.length; i++) {
    const byte = line[i];
    if (inText) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) inText = false;
    } else if (byte === QUOTE) inText = true;
    else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > MAX_DEPTH) return true;
    } else if (byte === 0x5d || byte === 0x7d) depth--;
  }
  return false;
}

/** Anybody can give a line its checksum. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function toCheck(text: Uint8Array): string {
  return `${BEFORE_DIGITS}${crc32(text).toString(16).padStart(DIGITS, "0")}${AFTER_DIGITS}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
