import { type Payload, VALUE_KIND } from "../value.ts";
// @ts-types="./cbor_x.d.ts"
import { Decoder, Encoder } from "./cbor_x.js";

// A copy of cbor-x, as its package depends on a native addon: optional, and never loaded by us, but
// whoever imports the package has it looked up, downloaded and offered to be built. With these options
// the bytes are what any CBOR reader understands: no records, maps of any size, byte strings without
// a tag.
const ENCODER = new Encoder({ useRecords: false, variableMapSize: true, tagUint8Array: false });
const DECODER = new Decoder({ useRecords: false });

/** Nested deeper than this, no value of ours is; a reader that recurses is safe up to here. */
const MAX_DEPTH = 200;

const PROTO = new TextEncoder().encode("__proto__");

/**
 * Writes plain data as CBOR.
 *
 * @param value The data, and nothing that is not.
 */
export function toCbor(value: unknown): Uint8Array<ArrayBuffer> {
  const bytes = ENCODER.encode(value);
  if (!(bytes.buffer instanceof ArrayBuffer)) throw new TypeError("Cannot encode to shared memory");
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Reads plain data from CBOR. Byte strings are views on the bytes.
 *
 * @throws {SyntaxError} If the bytes are not what {@linkcode toCbor} writes.
 */
export function fromCbor(bytes: Uint8Array): unknown {
  checkCbor(bytes);
  return DECODER.decode(bytes);
}

/** Reads plain data from CBOR that was checked before, and has not changed since. */
export function decodePlain(bytes: Uint8Array): unknown {
  return DECODER.decode(bytes);
}

/**
 * Checks that bytes are one item of the CBOR that Quiver writes: definite lengths, no tags, texts
 * as the keys of maps. What passes makes a decoder run no extension, build no class and allocate
 * no more than the bytes warrant.
 *
 * @returns Whether there are byte strings among them, of which a decoder makes views.
 * @throws {SyntaxError} If they are anything else.
 * @see {@link https://www.rfc-editor.org/rfc/rfc8949}
 */
function checkCbor(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.byteLength;
  /** For each open container: how many items are missing, and whether it is a map. */
  const missing: number[] = [1];
  const maps: boolean[] = [false];
  let at = 0;
  let viewed = false;
  while (missing.length > 0) {
    const top = missing.length - 1;
    const rest = missing[top] ?? 0;
    if (rest === 0) {
      missing.pop();
      maps.pop();
      continue;
    }
    missing[top] = rest - 1;
    if (at >= end) throw malformed(at);
    const head = view.getUint8(at);
    const major = head >> 5;
    const info = head & 31;
    if (maps[top] === true && rest % 2 === 0 && major !== 3) throw malformed(at);
    const size = major === 7 ? simpleSize(info) : argumentSize(info);
    if (size < 0 || at + 1 + size > end) throw malformed(at);
    const argument = size === 0 ? info : readArgument(view, at + 1, size);
    const start = at;
    at += 1 + size;
    if (argument === PROTO.length && maps[top] === true && rest % 2 === 0 && isProto(bytes, at)) {
      throw malformed(start);
    }
    if (major === 2 || major === 3) {
      at += argument;
      if (major === 2) viewed = true;
    } else if (major === 4 || major === 5) {
      missing.push(major === 5 ? argument * 2 : argument);
      maps.push(major === 5);
      if (missing.length > MAX_DEPTH) throw malformed(start);
    } else if (major === 6) throw malformed(start);
    // Every item has at least one byte.
    if (at + (missing.at(-1) ?? 0) > end) throw malformed(start);
  }
  if (at !== end) throw malformed(at);
  return viewed;
}

/** Whether a key of nine bytes is the one that a decoder would change, so that no data of ours has it. */
function isProto(bytes: Uint8Array, at: number): boolean {
  return PROTO.every((byte, i) => byte === bytes[at + i]);
}

/** How many bytes follow the head of a simple value or float; -1 for those that are not written. */
function simpleSize(info: number): number {
  if (info >= 20 && info <= 23) return 0;
  return info === 27 ? 8 : info === 26 ? 4 : info === 25 ? 2 : -1;
}

/** How many bytes of argument follow a head; 64-bit arguments and open lengths are not written. */
function argumentSize(info: number): number {
  if (info < 24) return 0;
  return info === 24 ? 1 : info === 25 ? 2 : info === 26 ? 4 : -1;
}

/** Reads the argument of a head; the bits of floats do not matter. */
function readArgument(view: DataView, at: number, size: number): number {
  if (size === 1) return view.getUint8(at);
  return size === 2 ? view.getUint16(at) : size === 4 ? view.getUint32(at) : 0;
}

function malformed(offset: number): SyntaxError {
  return new SyntaxError(`Cannot decode a value: its CBOR is malformed at byte ${offset}`);
}

/**
 * Tells whether a payload can be decoded again and again without being copied or checked each time:
 * it is sound plain data, and nothing in it becomes a view on its bytes.
 *
 * @returns Whether `decodePlain()` may have its bytes.
 */
export function isPlain({ kind, bytes }: Payload): boolean {
  if (kind !== VALUE_KIND.cbor) return false;
  try {
    return !checkCbor(bytes);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
