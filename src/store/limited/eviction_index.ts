import type { CallRecord } from "../../call/call_record.ts";
import type { Digest } from "../../value/value.ts";
import type { ValueDescription } from "../stores.ts";
import { digestsOf } from "../sweep.ts";
import { CallQueue } from "./call_queue.ts";
import type { LimitedCall } from "./limits.ts";

/** So many forgotten calls are worth letting go of. */
const LEAST_TRIMMED = 1000;

interface IndexEntry extends LimitedCall {
  used: number;
  /** All values that the call needs, each once. */
  readonly digests: readonly Digest[];
}

interface IndexedValue {
  readonly bytes: number;
  /** How many calls need the value. */
  calls: number;
}

/** Two uses are at least so far apart, in milliseconds. */
const TICK = 1 / 1024;

/** What an index is asked. */
interface EvictionIndexOptions {
  /** Tells what a value takes and which parts it has; absent where nobody asks. */
  readonly describe?: ((digest: Digest) => ValueDescription | undefined) | undefined;
  /** Ranks calls, if they are asked for by that; ranks never fall. */
  readonly rankOf?: ((call: LimitedCall) => number) | undefined;
  /** Tells when a call was last used, by others too, in milliseconds since 1970. */
  readonly lastUsed: (key: Digest) => number;
}

/** Which calls are remembered, when they were last used, and what their values take. */
export class EvictionIndex {
  readonly #describe: EvictionIndexOptions["describe"];
  /** A map keeps the order of insertion: that in which they were recorded. */
  readonly #entries = new Map<Digest, IndexEntry>();
  /** The same calls by when they ended, which may not be the order in which they were recorded. */
  readonly #ends: CallQueue<IndexEntry>;
  readonly #ranks: CallQueue<IndexEntry> | undefined;
  readonly #values = new Map<Digest, IndexedValue>();
  /** Uses of calls that are not in the index yet. */
  readonly #early = new Map<Digest, number>();
  #bytes = 0;
  #clock = 0;

  /**
   * Creates an empty index.
   *
   * @param options What it is asked.
   */
  constructor({ describe, rankOf, lastUsed }: EvictionIndexOptions) {
    this.#describe = describe;
    const isThere = (entry: IndexEntry) => this.#entries.get(entry.key) === entry;
    this.#ends = new CallQueue(isThere, ({ ended }) => ended);
    if (rankOf === undefined) return;
    // Looked at when a call is to go: others may have used it.
    this.#ranks = new CallQueue(isThere, (entry) => {
      entry.used = Math.max(entry.used, lastUsed(entry.key));
      return rankOf(entry);
    });
  }

  /** What all values take together, in bytes; each counts once. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many calls are remembered. */
  get size(): number {
    return this.#entries.size;
  }

  /** The call of the lowest rank. */
  get first(): LimitedCall | undefined {
    return this.#ranks?.first();
  }

  /** The calls, those of the lowest rank first. */
  ranked(): LimitedCall[] {
    return this.#ranks?.sorted() ?? [];
  }

  /** The keys of the calls, in the order in which they were recorded. */
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
   * Takes note of a record; it counts as used when its body ended.
   *
   * @param ended When its body ended, in milliseconds since 1970.
   */
  put(record: CallRecord, ended: number): void {
    this.delete(record.key);
    const sizes = this.#describe === undefined ? [] : measure(record, this.#describe);
    let bytes = 0;
    const digests: Digest[] = [];
    for (const [digest, size] of sizes) {
      bytes += this.#retain(digest, size);
      digests.push(digest);
    }
    const { key, duration } = record;
    const used = Math.max(ended, this.#early.get(key) ?? 0);
    this.#early.delete(key);
    const entry = { key, bytes, ended, duration, used, digests };
    this.#entries.set(key, entry);
    for (const queue of [this.#ends, this.#ranks]) {
      queue?.add(entry);
      if (queue !== undefined && queue.size > 2 * this.#entries.size + LEAST_TRIMMED) {
        queue.sorted();
      }
    }
  }

  /**
   * Takes note of a use.
   *
   * @param key The key of the call.
   */
  use(key: Digest): void {
    const at = this.#clock = Math.max(this.#clock + TICK, Date.now());
    const entry = this.#entries.get(key);
    if (entry === undefined) this.#early.set(key, at);
    else entry.used = at;
  }

  /** Lets go of the uses of calls that are not remembered. */
  forgetEarly(): void {
    this.#early.clear();
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
    this.#ranks?.clear();
    this.#values.clear();
    this.#bytes = 0;
  }

  #retain(digest: Digest, size: number | undefined): number {
    const known = this.#values.get(digest);
    if (known !== undefined) {
      known.calls++;
      return known.bytes;
    }
    const bytes = size ?? this.#describe?.(digest)?.bytes ?? 0;
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

/** What the values of a call take, each once; of parts that are not told. */
function measure(
  record: CallRecord,
  describe: NonNullable<EvictionIndexOptions["describe"]>,
): Map<Digest, number | undefined> {
  const sizes = new Map<Digest, number | undefined>();
  for (const digest of digestsOf(record)) {
    const description = describe(digest);
    sizes.set(digest, description?.bytes ?? 0);
    for (const part of description?.parts ?? []) if (!sizes.has(part)) sizes.set(part, undefined);
  }
  return sizes;
}
