import { createSha256, type Sha256 } from "../../base/sha256.ts";
import type { Digest } from "../value.ts";

const FIRST_BYTES = 4096;
/** From here on bytes go to the hash at once, so that memory stays bounded. */
const FLUSH_BYTES = 1 << 16;
/** Texts up to here are written by a loop, which beats `encodeInto` for short ones. */
const SHORT_TEXT = 48;
const TEXT_ENCODER = new TextEncoder();

interface Range {
  readonly start: number;
  readonly end: number;
}

/** Orders two pieces of the same bytes; a loop, for most entries differ within a few bytes. */
function compareBytes(bytes: Uint8Array, one: Range, other: Range): number {
  const length = Math.min(one.end - one.start, other.end - other.start);
  for (let i = 0; i < length; i++) {
    const difference = (bytes[one.start + i] ?? 0) - (bytes[other.start + i] ?? 0);
    if (difference !== 0) return difference;
  }
  return (one.end - one.start) - (other.end - other.start);
}

/**
 * Tells whether keys are in the order of their code units, as they nearly always are.
 *
 * @returns Whether they are.
 */
export function isSorted(keys: readonly string[]): boolean {
  let last = "";
  for (const key of keys) {
    if (key < last) return false;
    last = key;
  }
  return true;
}

/** Takes the pieces of canonical bytes and hashes them, in few large steps. */
export class ByteSink {
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;
  #hash: Sha256 | undefined;
  #flushed = 0;
  #held = 0;
  #limit = Infinity;

  /**
   * Starts over.
   *
   * @param limit How many bytes may be written, large arrays left out.
   */
  reset(limit: number): void {
    this.#end = 0;
    this.#hash = undefined;
    this.#flushed = 0;
    this.#held = 0;
    this.#limit = limit;
  }

  /** Whether it is worth keeping for the next value. */
  get reusable(): boolean {
    return this.#bytes.length <= FLUSH_BYTES;
  }

  /** Writes one byte. */
  byte(value: number): void {
    if (this.#end === this.#bytes.length) this.#makeRoom(1);
    this.#bytes[this.#end++] = value;
  }

  /** Writes an unsigned integer as LEB128. */
  uint(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.byte((rest % 128) + 128);
      rest = Math.floor(rest / 128);
    }
    this.byte(rest);
  }

  /** Writes a double; every NaN is one. */
  double(value: number): void {
    if (this.#end + 8 > this.#bytes.length) this.#makeRoom(8);
    // A NaN that came out of a typed array may carry a payload, which setFloat64 may write.
    this.#view.setFloat64(this.#end, value === value ? value : NaN, true);
    this.#end += 8;
  }

  /**
   * Writes a text with its tag.
   *
   * @returns Whether the text has no lone surrogates.
   */
  text(value: string): boolean {
    const length = value.length;
    if (length > SHORT_TEXT) return this.#anyText(value);
    if (this.#end + length + 2 > this.#bytes.length) this.#makeRoom(length + 2);
    let end = this.#end + 2;
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 127) return this.#anyText(value);
      this.#bytes[end++] = unit;
    }
    this.#bytes[this.#end] = TAG.text;
    this.#bytes[this.#end + 1] = length;
    this.#end = end;
    return true;
  }

  /** Writes a few bytes as they are. */
  raw(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#bytes.length) this.#makeRoom(bytes.length);
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** Where the next byte goes, as long as the sink is held. */
  get position(): number {
    return this.#end;
  }

  /** Keeps what is written from here on within reach, until {@linkcode release}. */
  hold(): void {
    this.#held++;
  }

  /**
   * Puts what was written while held into the order of its bytes.
   *
   * @param starts Where each entry begins; the last one ends here.
   */
  sort(starts: readonly number[]): void {
    const first = starts[0];
    if (first === undefined || starts.length === 1) return;
    const copy = this.#bytes.slice(first, this.#end);
    const entries = starts.map((start, i): Range => ({
      start: start - first,
      end: (starts[i + 1] ?? this.#end) - first,
    }));
    entries.sort((one, other) => compareBytes(copy, one, other));
    let at = first;
    for (const { start, end } of entries) {
      for (let i = start; i < end; i++) this.#bytes[at++] = copy[i] ?? 0;
    }
  }

  /** Ends what {@linkcode hold} began. */
  release(): void {
    this.#held--;
  }

  /** The SHA-256 of all that was written. */
  digest(): Digest {
    const rest = this.#bytes.subarray(0, this.#end);
    return (this.#hash ?? createSha256()).update(rest).digest("hex");
  }

  #anyText(value: string): boolean {
    const length = value.length;
    const wellFormed = value.isWellFormed();
    this.byte(wellFormed ? TAG.text : TAG.brokenText);
    this.uint(length);
    if (wellFormed) this.#utf8(value);
    for (let i = 0; !wellFormed && i < length; i++) {
      const unit = value.charCodeAt(i);
      this.byte(unit & 0xff);
      this.byte(unit >> 8);
    }
    return wellFormed;
  }

  #utf8(value: string): void {
    let rest = value;
    while (rest.length > 0) {
      // One code point needs at most 4 bytes, so every round gets on.
      const room = Math.min(rest.length * 3, FLUSH_BYTES / 2);
      if (this.#end + room > this.#bytes.length) this.#makeRoom(room);
      const { read, written } = TEXT_ENCODER.encodeInto(rest, this.#bytes.subarray(this.#end));
      this.#end += written;
      rest = rest.slice(read);
    }
  }

  #makeRoom(length: number): void {
    if (this.#flushed + this.#end + length > this.#limit) {
      throw new SinkFullError(`Cannot write more than ${this.#limit} bytes`);
    }
    if (this.#held === 0 && this.#bytes.length >= FLUSH_BYTES) this.#flush();
    if (this.#end + length > this.#bytes.length) {
      const bytes = new Uint8Array(Math.max(this.#bytes.length * 4, this.#end + length));
      bytes.set(this.#bytes.subarray(0, this.#end));
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer);
    }
  }

  #flush(): void {
    this.#hash ??= createSha256();
    this.#hash.update(this.#bytes.subarray(0, this.#end));
    this.#flushed += this.#end;
    this.#end = 0;
  }
}

/**
 * Canonical bytes: what the digest of a value is the SHA-256 of. `src/bag/FORMAT.md` specifies them
 * ("Digests"); every item says where it ends, so that no two values share their bytes.
 *
 * The exact digest keeps the order of keys and entries, and tells what is shared. The argument
 * digest leaves both out, so that it does not depend on what a caller would not think of.
 *
 * @module
 */

/** The version of these rules: the first byte of everything that is digested. */
export const DIGEST_SCHEME = 1;

/** The tags, beside the numbers of array kinds. */
export const TAG = {
  undefined: 32,
  null: 33,
  false: 34,
  true: 35,
  number: 36,
  bigint: 37,
  text: 38,
  brokenText: 39,
  object: 40,
  nullObject: 41,
  array: 42,
  hole: 43,
  map: 44,
  set: 45,
  date: 46,
  regexp: 47,
  boxed: 48,
  error: 49,
  instance: 50,
  part: 51,
  seen: 52,
  ancestor: 53,
  url: 54,
  urlSearchParams: 55,
  file: 56,
  registered: 57,
  temporal: 58,
} as const;

/** Thrown where a walk meets a value that it cannot take; where that is, is found out later. */
export class Refusal extends Error {
  override name = "Refusal";
}

/** Thrown where a value turns out to be nested too deeply. */
export class TooDeepError extends Error {
  override name = "TooDeepError";
}

/** Thrown where more would be written than the limit allows. */
export class SinkFullError extends Error {
  override name = "SinkFullError";
}
