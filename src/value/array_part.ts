import { createSha256 } from "../base/sha256.ts";
import { type ArrayKindName, type ArrayValue, bytesOf } from "./object_type.ts";
import { type Digest, type EncodedPart, VALUE_KIND } from "./value.ts";
import { DIGEST_SCHEME } from "./digest/byte_sink.ts";
import { type SharedArray, sharedArrayOf } from "./share.ts";

/**
 * Makes the part that an array or buffer is stored as, in one pass over its bytes; of one that is shared
 * once.
 *
 * @param value The array, view or buffer.
 * @returns Its digest, kind and bytes.
 */
export function toArrayPart(value: ArrayValue, name: ArrayKindName): EncodedPart {
  const shared = sharedArrayOf(value);
  if (shared !== undefined) return sealShared(shared, name);
  const bytes = bytesOf(value);
  const digest = new PartDigest(name, bytes.length);
  digest.update(bytes);
  return { digest: digest.end(), kind: VALUE_KIND[name], bytes };
}

/** How many bytes of a shared array have a checksum of their own. */
export const SHARED_BLOCK = 16 * 1024;
/** How much is hashed at once: it is still near when its checksums are made. */
const HASHED_BYTES = 16 * SHARED_BLOCK;

type Zlib = typeof import("node:zlib");

// The one thing kept here is the module itself, which is the same for everybody.
let zlib: Zlib | undefined;

/**
 * The checksum of a block of a shared array. What computes it is loaded with the first: it takes
 * milliseconds, and few programs share arrays.
 */
export function checksumOf(block: Uint8Array): number {
  // deno-lint-ignore no-process-global -- importing node:process costs more
  zlib ??= process.getBuiltinModule("node:zlib") as Zlib;
  return zlib.crc32(block);
}

/** Notes what a shared array holds: the digest, and what tells soon whether it has changed since. */
function sealShared(array: SharedArray, name: ArrayKindName): EncodedPart {
  const { part: known, memory, value } = array;
  if (known !== undefined) return known;
  memory.give();
  const bytes = sharedBytesOf(value);
  const digest = new PartDigest(name, bytes.length);
  const sums = new Uint32Array(Math.ceil(bytes.length / SHARED_BLOCK));
  for (let at = 0; at < bytes.length; at += SHARED_BLOCK) {
    if (at % HASHED_BYTES === 0) digest.update(bytes.subarray(at, at + HASHED_BYTES));
    sums[at / SHARED_BLOCK] = checksumOf(bytes.subarray(at, at + SHARED_BLOCK));
  }
  array.sums = sums;
  return array.part = { digest: digest.end(), kind: VALUE_KIND[name], bytes };
}

/**
 * Gives the bytes of a shared array as they lie in memory: who reads them copies or writes them, and
 * nobody writes to them.
 *
 * @param value The array.
 */
export function sharedBytesOf(value: ArrayBufferView | ArrayBuffer): Uint8Array<ArrayBuffer> {
  if (!ArrayBuffer.isView(value)) return new Uint8Array(value);
  const bytes: Uint8Array = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  // What stores bytes asks of no memory whether it is shared.
  return bytes as Uint8Array<ArrayBuffer>;
}

/** Digests an array or a buffer of which pieces come one behind the other. */
export class PartDigest {
  readonly #hash = createSha256();

  /**
   * Begins.
   *
   * @param length The length of all pieces in bytes.
   */
  constructor(name: ArrayKindName, length: number) {
    const header = [DIGEST_SCHEME, VALUE_KIND[name]];
    let rest = length;
    for (; rest > 127; rest = Math.floor(rest / 128)) header.push((rest % 128) + 128);
    header.push(rest);
    this.#hash.update(Uint8Array.from(header));
  }

  /** Takes the next piece. */
  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** The digest of all pieces. */
  end(): Digest {
    return this.#hash.digest("hex");
  }
}
