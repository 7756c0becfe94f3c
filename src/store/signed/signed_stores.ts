import { QuiverError } from "../../base/errors.ts";
import type { RecordPlan } from "../../call/call_query.ts";
import type { CallRecord } from "../../call/call_record.ts";
import { digestValue } from "../../value/digest/digest_value.ts";
import type { Digest, EncodedPart, EncodedValue } from "../../value/value.ts";
import {
  type CallFeed,
  type CallStore,
  type Found,
  type IsWanted,
  type Lease,
  type MaybePromise,
  NO_STATISTICS,
  type PromptStores,
  type Stores,
  type TellDamaged,
  type ValueStore,
} from "../stores.ts";
import { RecordSigner } from "./record_signer.ts";

/**
 * Makes stores believe only what the holder of a key has written.
 *
 * Records are signed, and a record whose signature is missing or bad is not there. A value is
 * digested again when it was read, its parts included, and is not there when it is not what its
 * digest says: so the digests that a signed record names vouch for its result and its arguments.
 * What is not there is computed again, and then replaces what was not believed.
 *
 * Nobody can forge a result without a key. Whoever can write to the stores can still remove calls,
 * and put back an older record of the same call that was signed once.
 *
 * @param stores The stores; others may use them unsigned.
 * @param keys The keys, at least one: the first signs, all verify.
 * @returns The stores, signed.
 */
export function signStores(stores: PromptStores, keys: readonly string[]): PromptStores;
/** The same of stores that answer later, and do so as well when they are signed. */
export function signStores(stores: Stores, keys: readonly string[]): Stores;
export function signStores(stores: Stores, keys: readonly string[]): Stores {
  const values = new CheckedValues(stores.values);
  const calls = new SignedCalls(stores.calls, new RecordSigner(keys));
  // What another layer gives instead has to be believed like everything else.
  const { description, resultOf: _, ...others } = stores;
  return {
    ...others,
    values,
    calls,
    layers: [stores],
    ...(description && { description: { type: "signed", keys, stores: description } }),
    statistics: () => ({
      ...NO_STATISTICS,
      ...stores.statistics?.(),
      rejectedValues: values.rejected,
      rejectedSignatures: calls.rejected,
    }),
  };
}

class CheckedValues implements ValueStore {
  readonly #values: ValueStore;
  rejected = 0;

  constructor(values: ValueStore) {
    this.#values = values;
  }

  put(value: EncodedValue): MaybePromise<void> {
    return this.#values.put(value);
  }

  reject(digest: Digest): boolean {
    this.rejected++;
    return this.#values.reject?.(digest) ?? false;
  }

  get(digest: Digest, parts?: Map<object, EncodedPart>): MaybePromise<Found<unknown>> {
    const found = this.#read(digest);
    return found instanceof Promise
      ? found.then((later) => this.#believe(digest, later, parts))
      : this.#believe(digest, found, parts);
  }

  /** What cannot be decoded is `undefined`: a store takes it for whole, so it was made to look so. */
  #read(digest: Digest): MaybePromise<Found<unknown> | undefined> {
    try {
      const found = this.#values.get(digest);
      return found instanceof Promise ? found.catch(toUndecodable) : found;
    } catch (error) {
      return toUndecodable(error);
    }
  }

  #believe(
    digest: Digest,
    found: Found<unknown> | undefined,
    parts?: Map<object, EncodedPart>,
  ): MaybePromise<Found<unknown>> {
    if (found !== undefined && (!found.hit || isAuthentic(digest, found.value, parts))) {
      return found;
    }
    // Behind a copy that was tampered with there may be another one.
    return this.reject(digest) ? this.get(digest, parts) : { hit: false };
  }
}

function toUndecodable(error: unknown): undefined {
  if (!(error instanceof SyntaxError)) throw error;
}

function isAuthentic(
  digest: Digest,
  value: unknown,
  parts: Map<object, EncodedPart> | undefined,
): boolean {
  try {
    return digestValue(value, { parts }) === digest;
  } catch (error) {
    // Nothing without a digest was ever stored.
    if (error instanceof QuiverError) return false;
    throw error;
  }
}

class SignedCalls implements CallStore {
  readonly #calls: CallStore;
  readonly #signer: RecordSigner;
  /** Limits count all records, whoever has signed them: all take space. */
  readonly feed?: () => CallFeed;
  rejected = 0;

  constructor(calls: CallStore, signer: RecordSigner) {
    this.#calls = calls;
    this.#signer = signer;
    const feed = calls.feed?.bind(calls);
    if (feed !== undefined) this.feed = feed;
  }

  put(record: CallRecord, lease?: Lease): MaybePromise<boolean | void> {
    return this.#calls.put(this.#signer.sign(record), lease);
  }

  get(key: Digest): MaybePromise<CallRecord | undefined> {
    const record = this.#calls.get(key);
    return record instanceof Promise
      ? record.then((later) => this.#believe(key, later))
      : this.#believe(key, record);
  }

  async findOther(key: Digest, isWanted: IsWanted): Promise<CallRecord | undefined> {
    const isBelieved = (record: CallRecord) =>
      this.#believe(key, record) === undefined ? false : isWanted(record);
    return await this.#calls.findOther?.(key, isBelieved);
  }

  delete(key: Digest): MaybePromise<boolean> {
    return this.#calls.delete(key);
  }

  isForgotten(key: Digest): MaybePromise<boolean> {
    return this.#calls.isForgotten?.(key) ?? false;
  }

  allRecords(): Iterable<CallRecord> | AsyncIterable<CallRecord> {
    return this.#calls.allRecords?.() ?? this.#calls.records();
  }

  records(
    damaged?: TellDamaged,
    plan?: RecordPlan,
  ): Iterable<CallRecord> | AsyncIterable<CallRecord> {
    const records = this.#calls.records(damaged, plan);
    if (!(Symbol.iterator in records)) return this.#filterLater(records);
    return Iterator.from(records).filter((record) => this.#believe(record.key, record));
  }

  async *#filterLater(records: AsyncIterable<CallRecord>): AsyncIterable<CallRecord> {
    for await (const record of records) if (this.#believe(record.key, record)) yield record;
  }

  believes(record: CallRecord): boolean {
    return this.#signer.verify(record);
  }

  /** A good record of another call is no record of this one: a table may have been tampered with. */
  #believe(key: Digest, record: CallRecord | undefined): CallRecord | undefined {
    if (record === undefined) return undefined;
    if (record.key === key && this.believes(record)) return record;
    this.rejected++;
    return undefined;
  }
}
