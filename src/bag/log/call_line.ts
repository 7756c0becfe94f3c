/**
 * The lines of `calls.jsonl`, as `FORMAT.md` specifies them ("The call log").
 *
 * Each append is one write of a line feed, the line, and a line feed, so that a line that was torn
 * by the death of its writer harms only itself. What the records of one task have in common stands
 * in a header line, whose name follows from its content: so it does not matter who wrote it, where
 * in the log it stands, and how often. A line begins with what it is about, which is found without
 * parsing.
 *
 * @module
 */
import { createSha256 } from "../../base/sha256.ts";
import {
  CHECK_BYTES,
  decodeCheckedLine,
  encodeCallLine,
  encodeCheckedLine,
  isCheckedLine,
} from "../../disk/checked_line.ts";
import type { Digest } from "../../value/value.ts";

/** What is appended to a log that another one takes the place of, for those who have it open. */
export const MOVED: Uint8Array<ArrayBuffer> = new TextEncoder().encode('\n{"moved":true}\n');

/** What a line begins with, by what it is. */
export const LINE_STARTS = {
  record: '{"call":"',
  longRecord: '{"key":"',
  eviction: '{"evict":"',
  header: '{"head":"',
} as const;

/** What stands between the key of a record and the name of its header. */
const BEFORE_HEAD = '","head":"';

/** Digests are hexadecimal in long records and evictions, and base64url in the other lines. */
const HEX_LENGTH = 64;
const SHORT_LENGTH = 43;
const BASE64 = { alphabet: "base64url", omitPadding: true } as const;

/** A header is named by so many bytes of its digest, in base64url. */
const NAME_BYTES = 12;
const NAME_LENGTH = 16;

/** What a header's name lacks to be looked for as a digest, in hexadecimal. */
const NAME_FILLING = "0".repeat(HEX_LENGTH - 2 * NAME_BYTES);

/** What a header has at the most, in UTF-16 code units: it is written more than once. */
const LONGEST_HEADER = 16 * 1024;

/** More metadata, in UTF-16 code units, are not repeated with each copy of a header. */
const LONGEST_METADATA = 1024;

/** How many headers are remembered by who writes records. */
const MOST_HEADERS = 1000;

const DECODER = new TextDecoder();

/** For one digest at a time: nothing stays in it. */
const SCRATCH = new Uint8Array(HEX_LENGTH / 2);

/** What a line says at first sight. */
export interface CallLineHead {
  /** The key that the line is about; of a header, {@linkcode toHeaderKey} of its name. */
  readonly key: Digest;
  /** What the line is. From an eviction on, the key is forgotten. */
  readonly type: "record" | "eviction" | "header";
  /** The name of the header that a record refers to, if it does. */
  readonly header?: string;
}

/** What several records have in common, as its line says it. */
export type CallHeader = Readonly<Record<string, unknown>>;

/**
 * Makes what is appended when a key is forgotten.
 *
 * @param key The key of the call.
 * @returns Line feed, line, line feed.
 */
export function encodeEvictLine(key: Digest): Uint8Array<ArrayBuffer> {
  return encodeCheckedLine(`${LINE_STARTS.eviction}${key}"`);
}

/**
 * Reads what a line is about.
 *
 * @param line The line without line feeds.
 * @returns What it is, or `undefined` when the line is torn, damaged, or not one of ours.
 */
export function decodeCallLineHead(line: Uint8Array): CallLineHead | undefined {
  switch (line[2]) {
    case LINE_STARTS.record.charCodeAt(2):
      return decodeRecordHead(line);
    case LINE_STARTS.header.charCodeAt(2):
      return decodeHeaderHead(line);
    case LINE_STARTS.eviction.charCodeAt(2):
      return decodeLongHead(line, "eviction", LINE_STARTS.eviction);
    default:
      return decodeLongHead(line, "record", LINE_STARTS.longRecord);
  }
}

function decodeLongHead(
  line: Uint8Array,
  type: "record" | "eviction",
  start: string,
): CallLineHead | undefined {
  const end = start.length + HEX_LENGTH;
  if (line.length < end + CHECK_BYTES || !isCheckedLine(line)) return undefined;
  const head = DECODER.decode(line.subarray(0, end));
  return head.startsWith(start) ? { key: head.slice(start.length), type } : undefined;
}

function decodeRecordHead(line: Uint8Array): CallLineHead | undefined {
  const keyEnd = LINE_STARTS.record.length + SHORT_LENGTH;
  const nameAt = keyEnd + BEFORE_HEAD.length;
  const end = nameAt + NAME_LENGTH;
  if (line.length < end + CHECK_BYTES || !isCheckedLine(line)) return undefined;
  const head = DECODER.decode(line.subarray(0, end));
  if (!head.startsWith(LINE_STARTS.record) || !head.startsWith(BEFORE_HEAD, keyEnd)) {
    return undefined;
  }
  const key = fromShort(head.slice(LINE_STARTS.record.length, keyEnd));
  return key === undefined ? undefined : { key, type: "record", header: head.slice(nameAt) };
}

function decodeHeaderHead(line: Uint8Array): CallLineHead | undefined {
  const end = LINE_STARTS.header.length + NAME_LENGTH;
  if (line.length < end + CHECK_BYTES || !isCheckedLine(line)) return undefined;
  const head = DECODER.decode(line.subarray(0, end));
  if (!head.startsWith(LINE_STARTS.header)) return undefined;
  const key = toHeaderKey(head.slice(LINE_STARTS.header.length));
  return key === undefined ? undefined : { key, type: "header" };
}

/** How much of a key is looked at without decoding it, in bits. */
export const KEY_BITS = 12;

/** What a line says without being decoded. */
export interface LineGlance {
  /** What the line is. */
  readonly type: CallLineHead["type"];
  /** The first bits of the key that it is about. */
  readonly keyStart: number;
  /** The name of the header that a record refers to, if it does. */
  readonly header?: string | undefined;
}

const RECORD_NAME_AT = LINE_STARTS.record.length + SHORT_LENGTH + BEFORE_HEAD.length;

/**
 * Glances at lines, one after another: of a million records, most of one task, each takes a third of what
 * it takes to decode its key.
 */
export class LineGlances {
  /** The name of the header that the last record referred to, and its bytes. */
  #name = "";
  #nameBytes = new Uint8Array(NAME_LENGTH);

  /**
   * Glances at a line.
   *
   * @param line The line without line feeds.
   * @returns What it is, or `undefined` when the line is torn, damaged, or not one of ours.
   */
  look(line: Uint8Array): LineGlance | undefined {
    const nameEnd = RECORD_NAME_AT + NAME_LENGTH;
    const isShort = line.length >= nameEnd + CHECK_BYTES &&
      hasText(line, 0, LINE_STARTS.record) &&
      hasText(line, LINE_STARTS.record.length + SHORT_LENGTH, BEFORE_HEAD);
    if (!isShort) {
      const head = decodeCallLineHead(line);
      return head && { ...head, keyStart: Number.parseInt(head.key.slice(0, KEY_BITS / 4), 16) };
    }
    const at = LINE_STARTS.record.length;
    const keyStart = SEXTETS.indexOf(String.fromCharCode(line[at] ?? 0)) * 64 +
      SEXTETS.indexOf(String.fromCharCode(line[at + 1] ?? 0));
    if (keyStart < 0 || !isCheckedLine(line)) return undefined;
    return { type: "record", keyStart, header: this.#nameAt(line) };
  }

  #nameAt(line: Uint8Array): string {
    for (let i = 0; i < NAME_LENGTH; i++) {
      if (line[RECORD_NAME_AT + i] === this.#nameBytes[i]) continue;
      this.#nameBytes = line.slice(RECORD_NAME_AT, RECORD_NAME_AT + NAME_LENGTH);
      return this.#name = DECODER.decode(this.#nameBytes);
    }
    return this.#name;
  }
}

/** What base64url writes six bits as. */
const SEXTETS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

function hasText(line: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (line[at + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

/**
 * Makes of the name of a header what it is found by among keys, which are longer.
 *
 * @param name The name, as a record has it.
 * @returns A digest, or `undefined` when it is no name.
 */
export function toHeaderKey(name: unknown): Digest | undefined {
  if (typeof name !== "string" || name.length !== NAME_LENGTH) return undefined;
  if (decodeBase64(name) !== NAME_BYTES) return undefined;
  return SCRATCH.subarray(0, NAME_BYTES).toHex() + NAME_FILLING;
}

/**
 * Reads a header.
 *
 * @param line The line without line feeds.
 * @returns The header and its name, or `undefined` when its content has another one.
 */
export function decodeHeader(
  line: Uint8Array,
): { readonly name: string; readonly header: CallHeader } | undefined {
  const content = decodeCheckedLine(line);
  if (content === undefined || typeof content.head !== "string") return undefined;
  const begin = LINE_STARTS.header.length + NAME_LENGTH + '",'.length;
  const text = DECODER.decode(line.subarray(begin, line.length - CHECK_BYTES));
  // Whoever could give a name to anything would give records another task.
  const { head: name, ...header } = content;
  if (nameHeader(text) !== name) return undefined;
  // Many records share what is in it.
  return { name, header: freeze(header) };
}

/**
 * Reads a record.
 *
 * @param line The line without line feeds.
 * @param findHeader Finds the header of a name.
 * @returns All fields of the record, or `undefined` when the line is no record, or its header is lost.
 */
export function decodeRecord(
  line: Uint8Array,
  findHeader: (name: string) => CallHeader | undefined,
): Record<string, unknown> | undefined {
  const content = decodeCheckedLine(line);
  const isLong = line[2] !== LINE_STARTS.record.charCodeAt(2);
  if (content === undefined || isLong) return content;
  const { call, head, args = [], result, ...own } = content;
  const header = typeof head === "string" ? findHeader(head) : undefined;
  const key = fromShort(call);
  const digest = fromShort(result);
  const all = header && joinArguments(header.args, args);
  if (key === undefined || digest === undefined || all === undefined) return undefined;
  return { ...header, ...own, key, args: all, result: digest };
}

/** A line to be appended, and the header that has to stand in the log for it. */
export interface EncodedRecord {
  /** Line feed, line, line feed. */
  readonly line: Uint8Array<ArrayBuffer>;
  /** What is to be in the log; absent for a record that says all by itself. */
  readonly header?: EncodedHeader;
}

/** A header that may have to be written. */
export interface EncodedHeader {
  /** How records refer to it. */
  readonly name: string;
  /** What it is found by among keys. */
  readonly key: Digest;
  /** Its content. */
  readonly text: string;
}

/**
 * Makes the line of a header.
 *
 * @returns Line feed, line, line feed.
 */
export function encodeHeader({ name, text }: EncodedHeader): Uint8Array<ArrayBuffer> {
  return encodeCheckedLine(`${LINE_STARTS.header}${name}",${text}`);
}

/**
 * Freezes what was parsed from a line. JSON has no cycles, and is not deep: the line was written by a
 * stack of calls.
 *
 * @typeParam T What it is.
 * @returns The same object.
 */
export function freeze<T extends object>(json: T): T {
  for (const child of Object.values(json)) {
    if (typeof child === "object" && child !== null && !Object.isFrozen(child)) freeze(child);
  }
  return Object.freeze(json);
}

/** What makes up a header beside the metadata. */
interface Identity {
  readonly scheme: unknown;
  readonly module: unknown;
  readonly task: unknown;
  readonly version: unknown;
  readonly code: unknown;
  readonly parts: unknown;
  readonly reads: unknown;
  readonly ignored: unknown;
  readonly args: readonly ArgumentName[];
}

/** What the records of one task have in common, as it was last written. */
interface Shared extends Identity {
  /** The metadata of the header as JSON: a record that has others has its own. */
  readonly metadata: string;
  readonly header: EncodedHeader;
  /** Metadata that did not fit: if they come again, there will be a header with them. */
  last: string | undefined;
}

/** Makes the lines of records: what they have in common goes into headers. */
export class RecordEncoder {
  /** By module and name of the task and the number of its arguments: few have more than one at a time. */
  readonly #shared = new Map<unknown, Map<unknown, Map<number, Shared>>>();
  #count = 0;

  /**
   * Makes the line of a record.
   *
   * @param key The key of the call.
   * @param fields What the record says beside its key.
   */
  encode(key: Digest, fields: Record<string, unknown>): EncodedRecord {
    const {
      key: _,
      scheme,
      module,
      task,
      version,
      code,
      parts,
      reads,
      ignored,
      args,
      metadata,
      result,
      ...own
    } = fields;
    const shortKey = toShort(key);
    const shortResult = toShort(result);
    const named = isArguments(args) ? args : undefined;
    const digests = named && shortenArguments(named);
    const given = JSON.stringify(metadata);
    const isShort = shortKey !== undefined && shortResult !== undefined && digests !== undefined &&
      named !== undefined && given !== undefined && own.call === undefined &&
      own.head === undefined;
    if (!isShort) return { line: encodeCallLine(key, fields) };
    const identity = { scheme, module, task, version, code, parts, reads, ignored, args: named };
    const shared = this.#find(identity, given);
    if (shared === undefined) return { line: encodeCallLine(key, fields) };
    const { header, metadata: common } = shared;
    const listed = digests === "" ? "" : `"args":[${digests}],`;
    const rest = JSON.stringify(common === given ? own : { ...own, metadata }).slice(1, -1);
    const line = `${LINE_STARTS.record}${shortKey}${BEFORE_HEAD}${header.name}",${listed}` +
      `"result":"${shortResult}"${rest === "" ? "" : ","}${rest}`;
    return { line: encodeCheckedLine(line), header };
  }

  #find(identity: Identity, metadata: string): Shared | undefined {
    const { module, task, args: { length } } = identity;
    const known = this.#shared.get(module)?.get(task)?.get(length);
    if (known !== undefined && isSame(known, identity)) {
      if (known.metadata === metadata) return known;
      if (known.last !== metadata) {
        known.last = metadata.length > LONGEST_METADATA ? undefined : metadata;
        return known;
      }
    }
    const args = identity.args.map(({ name, position }) => ({ name, position }));
    const text = JSON.stringify({ ...identity, args }).slice(1, -1);
    if (text.length > LONGEST_HEADER) return undefined;
    const common = metadata.length > LONGEST_METADATA ? "{}" : metadata;
    const header = createHeader(`${text},"metadata":${common}`);
    const shared = { ...identity, args, metadata: common, header, last: undefined };
    this.#remember(shared);
    return shared;
  }

  #remember(shared: Shared): void {
    if (++this.#count > MOST_HEADERS) {
      this.#shared.clear();
      this.#count = 1;
    }
    const { module, task, args: { length } } = shared;
    const tasks = this.#shared.getOrInsertComputed(module, () => new Map());
    tasks.getOrInsertComputed(task, () => new Map()).set(length, shared);
  }
}

function isSame(one: Identity, other: Identity): boolean {
  return one.scheme === other.scheme && one.version === other.version && one.code === other.code &&
    isSameList(one.parts, other.parts) && isSameList(one.reads, other.reads) &&
    isSameList(one.ignored, other.ignored) && one.args.length === other.args.length &&
    one.args.every(({ name, position }, i) =>
      name === other.args[i]?.name && position === other.args[i]?.position
    );
}

function isSameList(one: unknown, other: unknown): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}

function createHeader(text: string): EncodedHeader {
  const name = nameHeader(text);
  return { name, key: toHeaderKey(name) ?? "", text };
}

/** Names a header by what stands behind its name. */
function nameHeader(text: string): string {
  const digest: Uint8Array = createSha256().update(`{${text}}`).digest();
  return digest.subarray(0, NAME_BYTES).toBase64(BASE64);
}

/** What a header says of an argument. */
interface ArgumentName {
  readonly name: string;
  readonly position?: number | undefined;
}

/** An argument as a record has it. */
interface Argument extends ArgumentName {
  readonly digest: unknown;
  readonly value?: unknown;
}

/** Tells whether arguments are as those of any record, and nothing more. */
function isArguments(args: unknown): args is readonly Argument[] {
  return Array.isArray(args) && args.every((arg) => {
    if (typeof arg !== "object" || arg === null) return false;
    const { name, position, value } = arg;
    if (typeof name !== "string" || !(position === undefined || Number.isInteger(position))) {
      return false;
    }
    const others = Number(position !== undefined) + Number(value !== undefined);
    return Object.keys(arg).length === others + 2;
  });
}

/** The digests of arguments as JSON; where the one is the other, a text stands for both. */
function shortenArguments(args: readonly Argument[]): string | undefined {
  let list = "";
  for (const { digest, value } of args) {
    const short = toShort(digest);
    const stored = value === undefined || value === digest ? short : toShort(value);
    if (short === undefined || stored === undefined) return undefined;
    if (list !== "") list += ",";
    if (value === undefined) list += `{"digest":"${short}"}`;
    else list += value === digest ? `"${short}"` : `{"digest":"${short}","value":"${stored}"}`;
  }
  return list;
}

/** Puts names and digests of arguments together; `undefined` if they do not fit. */
function joinArguments(names: unknown, digests: unknown): unknown[] | undefined {
  if (!Array.isArray(names) || !Array.isArray(digests)) return undefined;
  if (names.length !== digests.length) return undefined;
  const args: unknown[] = [];
  for (let i = 0; i < names.length; i++) {
    const digested = expandArgument(digests[i]);
    if (digested === undefined) return undefined;
    args.push({ ...names[i], ...digested });
  }
  return args;
}

function expandArgument(short: unknown): { digest: Digest; value?: Digest } | undefined {
  if (typeof short === "string") {
    const digest = fromShort(short);
    return digest === undefined ? undefined : { digest, value: digest };
  }
  if (typeof short !== "object" || short === null || !("digest" in short)) return undefined;
  const digest = fromShort(short.digest);
  if (digest === undefined) return undefined;
  if (!("value" in short)) return { digest };
  const value = fromShort(short.value);
  return value === undefined ? undefined : { digest, value };
}

/** Writes a digest in base64url; `undefined` when it is none. */
function toShort(digest: unknown): string | undefined {
  if (typeof digest !== "string" || digest.length !== HEX_LENGTH) return undefined;
  try {
    SCRATCH.setFromHex(digest);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  // Capital letters are no digest's.
  return digest.toLowerCase() === digest ? SCRATCH.toBase64(BASE64) : undefined;
}

/** Reads a digest in base64url; `undefined` when it is none. */
export function fromShort(text: unknown): Digest | undefined {
  if (typeof text !== "string" || text.length !== SHORT_LENGTH) return undefined;
  return decodeBase64(text) === SCRATCH.length ? SCRATCH.toHex() : undefined;
}

/** Decodes into the begin of {@linkcode SCRATCH}, and tells how many bytes there are. */
function decodeBase64(text: string): number {
  try {
    return SCRATCH.setFromBase64(text, BASE64).written;
  } catch (error) {
    if (error instanceof SyntaxError) return 0;
    throw error;
  }
}
