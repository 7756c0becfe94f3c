import type { Digest, Payload } from "../value/value.ts";
import { isPlain } from "../value/codec/cbor.ts";

/** The largest payload that is worth keeping; a larger one is read at the disk's speed anyway. */
const LARGEST_BYTES = 64 * 1024;

/** What an entry costs beside its bytes: the digest, the map's slot, two objects. */
const ENTRY_BYTES = 256;

/** A payload, and whether it was used since it was last looked at as the next to go. */
interface Kept extends Payload {
  used: boolean;
  /** Whether it can be decoded as it lies here; found out when it is first asked for so. */
  plain: boolean | undefined;
}

/**
 * Keeps small payloads in memory, up to a number of bytes. What was not used for longest goes first,
 * all but exactly: a use is noted, and gives another round to what is next to go ("clock").
 */
export class ByteCache {
  readonly #limit: number;
  readonly #payloads = new Map<Digest, Kept>();
  #bytes = 0;

  /**
   * Creates an empty cache.
   *
   * @param limit How many bytes to keep.
   */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many bytes are kept, the cost of the entries themselves included. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Finds a payload.
   *
   * @param digest The digest of the value.
   * @returns A copy that the caller owns, or `undefined`.
   */
  get(digest: Digest): Payload | undefined {
    const payload = this.#payloads.get(digest);
    if (payload === undefined) return undefined;
    payload.used = true;
    return { kind: payload.kind, bytes: payload.bytes.slice() };
  }

  /**
   * Finds the bytes of a payload that is plain data: see {@linkcode isPlain}.
   *
   * @param digest The digest of the value.
   * @returns The very bytes that are kept, to be decoded and never to be changed, or `undefined`.
   */
  plain(digest: Digest): Uint8Array | undefined {
    const payload = this.#payloads.get(digest);
    if (payload === undefined) return undefined;
    payload.plain ??= isPlain(payload);
    if (!payload.plain) return undefined;
    payload.used = true;
    return payload.bytes;
  }

  /**
   * Keeps a copy of a payload if it is small.
   *
   * @param digest The digest of the value.
   */
  put(digest: Digest, payload: Payload): void {
    const { kind, bytes } = payload;
    if (bytes.length > LARGEST_BYTES || bytes.length + ENTRY_BYTES > this.#limit) return;
    if (this.#payloads.has(digest)) return;
    this.#payloads.set(digest, { kind, bytes: bytes.slice(), used: false, plain: undefined });
    this.#bytes += bytes.length + ENTRY_BYTES;
    // A map keeps the order of insertion, and goes on to what is added meanwhile.
    for (const [oldest, payload] of this.#payloads) {
      if (this.#bytes <= this.#limit) break;
      this.#payloads.delete(oldest);
      if (payload.used) {
        payload.used = false;
        this.#payloads.set(oldest, payload);
      } else this.#bytes -= payload.bytes.length + ENTRY_BYTES;
    }
  }

  /**
   * Forgets a payload.
   *
   * @param digest The digest of the value.
   */
  delete(digest: Digest): void {
    const payload = this.#payloads.get(digest);
    if (payload === undefined) return;
    this.#payloads.delete(digest);
    this.#bytes -= payload.bytes.length + ENTRY_BYTES;
  }

  /** Forgets everything. */
  clear(): void {
    this.#payloads.clear();
    this.#bytes = 0;
  }
}
