import type { CallRecord } from "../../call/call_record.ts";
import type { Digest } from "../../value/value.ts";
import type { ValueDescription } from "../stores.ts";
import { digestsOf } from "../sweep.ts";
import { EndQueue } from "./end_queue.ts";
import type { LimitedCall } from "./limits.ts";

/** So many forgotten calls are worth letting go of. */
const LEAST_TRIMMED = 1000;

interface IndexEntry extends LimitedCall {
  /** All values that the call needs, each once. */
  readonly digests: readonly Digest[];
}

interface IndexedValue {
  readonly bytes: number;
  /** How many calls need the value. */
  calls: number;
}

/** Which calls are remembered, in the order of their last use, and what their values take. */
export class EvictionIndex {
  readonly #describe: (digest: Digest) => ValueDescription | undefined;
  /** A map keeps the order of insertion: what was used is taken out and put in again. */
  readonly #entries = new Map<Digest, IndexEntry>();
  /** The same calls by when they ended, which may not be the order in which they were recorded. */
  readonly #ends = new EndQueue<IndexEntry>((entry) => this.#entries.get(entry.key) === entry);
  readonly #values = new Map<Digest, IndexedValue>();
  /** Uses of calls that are not in the index yet. */
  readonly #early = new Set<Digest>();
  #bytes = 0;

  /**
   * Creates an empty index.
   *
   * @param describe Tells what a value takes and which parts it has.
   */
  constructor(describe: (digest: Digest) => ValueDescription | undefined) {
    this.#describe = describe;
  }

  /** What all values take together, in bytes; each counts once. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many calls are remembered. */
  get size(): number {
    return this.#entries.size;
  }

  /** The calls, the least recently used first. */
  entries(): Iterable<LimitedCall> {
    return this.#entries.values();
  }

  /** The keys of the calls, the least recently used first. */
  keys(): MapIterator<Digest> {
    return this.#entries.keys();
  }

  /** The call that ended first. */
  get oldest(): LimitedCall | undefined {
    return this.#ends.first();
  }

  /**
   * Tells whether a call is remembered.
   *
   * @param key The key of the call.
   * @returns Whether it is.
   */
  has(key: Digest): boolean {
    return this.#entries.has(key);
  }

  /** What the values of a call take, in bytes; 0 when it is not remembered. */
  bytesOf(key: Digest): number {
    return this.#entries.get(key)?.bytes ?? 0;
  }

  /**
   * Takes note of a record; it counts as used.
   *
   * @param ended When its body ended, in milliseconds since 1970.
   */
  put(record: CallRecord, ended: number): void {
    this.delete(record.key);
    const sizes = new Map<Digest, number | undefined>();
    for (const digest of digestsOf(record)) {
      const description = this.#describe(digest);
      sizes.set(digest, description?.bytes ?? 0);
      for (const part of description?.parts ?? []) if (!sizes.has(part)) sizes.set(part, undefined);
    }
    let bytes = 0;
    for (const [digest, size] of sizes) bytes += this.#retain(digest, size);
    const { key } = record;
    const entry = { key, bytes, ended, digests: [...sizes.keys()] };
    this.#entries.set(key, entry);
    this.#ends.add(entry);
    if (this.#ends.size > 2 * this.#entries.size + LEAST_TRIMMED) this.#ends.trim();
  }

  /**
   * Takes note of a use.
   *
   * @param key The key of the call.
   */
  use(key: Digest): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      this.#early.add(key);
      return;
    }
    this.#entries.delete(key);
    this.#entries.set(key, entry);
  }

  /** Takes note of the uses of calls that were not in the index when they were used. */
  useEarly(): void {
    const keys = [...this.#early];
    this.#early.clear();
    for (const key of keys) if (this.#entries.has(key)) this.use(key);
  }

  /**
   * Takes note that a call is forgotten.
   *
   * @param key The key of the call.
   */
  delete(key: Digest): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    for (const digest of entry.digests) this.#release(digest);
  }

  /** Forgets everything. */
  clear(): void {
    this.#entries.clear();
    this.#ends.clear();
    this.#values.clear();
    this.#bytes = 0;
  }

  #retain(digest: Digest, size: number | undefined): number {
    const known = this.#values.get(digest);
    if (known !== undefined) {
      known.calls++;
      return known.bytes;
    }
    const bytes = size ?? this.#describe(digest)?.bytes ?? 0;
    this.#values.set(digest, { bytes, calls: 1 });
    this.#bytes += bytes;
    return bytes;
  }

  #release(digest: Digest): void {
    const value = this.#values.get(digest);
    if (value === undefined || --value.calls > 0) return;
    this.#values.delete(digest);
    this.#bytes -= value.bytes;
  }
}
