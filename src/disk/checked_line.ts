/**
 * JSON objects that end with the CRC-32 of their own text: lines of the call log, the manifest.
 * `FORMAT.md` specifies the bytes ("The checked line").
 *
 * @module
 */
import { crc32 } from "node:zlib";
import type { Digest } from "../value/value.ts";

/** The length of `,"crc":"01234567"}` in bytes. */
export const CHECK_BYTES = 18;

const MAX_DEPTH = 200;

/** A shorter line is not worth a look at its depth: what it nests, any stack takes. */
const DEEP_BYTES = 4096;

/** What stands before the digits of the checksum, and after them. */
const BEFORE_DIGITS = ',"crc":"';
const AFTER_DIGITS = '"}';
const DIGITS = 8;
const NO_CHECK = `${BEFORE_DIGITS}${"0".repeat(DIGITS)}${AFTER_DIGITS}`;

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
  const line = `\n${text}${NO_CHECK}\n`;
  // Nearly all lines are ASCII; three bytes for each UTF-16 unit is the most that UTF-8 takes.
  let bytes = new Uint8Array(line.length);
  let { read, written } = ENCODER.encodeInto(line, bytes);
  if (read < line.length) {
    bytes = new Uint8Array(line.length * 3);
    written = ENCODER.encodeInto(line, bytes).written;
  }
  const textEnd = written - CHECK_BYTES - 1;
  writeDigits(bytes, textEnd + BEFORE_DIGITS.length, crc32(bytes.subarray(1, textEnd)));
  return bytes.subarray(0, written);
}

function writeDigits(line: Uint8Array, at: number, number: number): void {
  for (let i = at + DIGITS - 1; i >= at; i--) {
    const digit = number & 0xf;
    line[i] = digit + (digit < 10 ? 0x30 : 0x57);
    number >>>= 4;
  }
}

/**
 * Makes the end of a line.
 *
 * @param crc The CRC-32 of its text.
 */
export function toCheck(crc: number): string {
  return `${BEFORE_DIGITS}${crc.toString(16).padStart(DIGITS, "0")}${AFTER_DIGITS}`;
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
  try {
    // What is JSON and ends with a brace is an object.
    return JSON.parse(`${DECODER.decode(line.subarray(0, line.length - CHECK_BYTES))}}`);
  } catch (error) {
    // Anybody can give a line its checksum.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * Tells whether a line is nested so deeply that those who walk through it could run out of stack.
 * A short one cannot be.
 *
 * @param line The text of a JSON object as UTF-8.
 * @returns Whether it is nested deeper than any record of ours.
 */
export function isDeep(line: Uint8Array): boolean {
  return line.length >= DEEP_BYTES && lookInside(line, MAX_DEPTH).depth > MAX_DEPTH;
}

/**
 * Looks at where the text of a JSON object stops.
 *
 * @param line The text, or the begin of it, as UTF-8.
 * @param most Stops where more objects and arrays are open.
 * @returns How many are open at the end, and whether that is within a text.
 */
export function lookInside(
  line: Uint8Array,
  most = Infinity,
): { readonly depth: number; readonly inText: boolean } {
  let depth = 0;
  let inText = false;
  for (let i = 0; i < line.length && depth <= most; i++) {
    const byte = line[i];
    if (inText) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) inText = false;
    } else if (byte === QUOTE) inText = true;
    else if (byte === 0x5b || byte === 0x7b) depth++;
    else if (byte === 0x5d || byte === 0x7d) depth--;
  }
  return { depth, inText };
}

/**
 * The longest line in bytes, line feeds included: what is longer is none of ours, and takes no memory.
 */
export const LONGEST_LINE_BYTES = 16 * 1024 * 1024;

const KEY_START = '{"key":"';

/**
 * Makes the line of a record that says all by itself, as `FORMAT.md` specifies it ("The call log").
 * It begins with its key, so that the key is found without parsing.
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
