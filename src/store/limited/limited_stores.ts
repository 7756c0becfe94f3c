/**
 * Stores that keep within limits.
 *
 * A index in memory knows which calls are remembered and what their values take. It is made of the
 * records that are there, in their order, when the first record is put, and follows the changes
 * that others make. With each put, calls are evicted until the rest is within the limits: whoever
 * comes last, of all handles and processes that limit one bag, sees the records of all before, so
 * that the limits hold whenever no put is under way. Two that evict at once may evict one more each.
 *
 * *Uses* are known only to the handle through which they went, and to no other process: writing
 * each hit down would make hits slow. So to a new handle the least recently used call is the one
 * that was recorded first.
 *
 * The space of what was evicted comes back by sweeps (`ValueSweeper`): whenever the values of calls
 * that a handle has evicted take a quarter of `maxBytes`, the put that made it so many waits for one.
 *
 * @module
 */
import { LateModule } from "../../base/lazy_import.ts";
import type { CallRecord } from "../../call/call_record.ts";
import type { Digest } from "../../value/value.ts";
import type {
  CallFeed,
  CallStore,
  Lease,
  MaybePromise,
  StoreDescription,
  Stores,
  TellDamaged,
} from "../stores.ts";
import type { LimitedCalls } from "./limited_calls.ts";
import type { LimitOptions } from "./limits.ts";

const LIMITING = new LateModule(() => import("./limited_calls.ts"));

/**
 * Limits stores.
 *
 * @param limits What they are limited to.
 * @returns Stores with the same content that evict what is too much.
 */
export function limitStores(inner: Stores, limits: LimitOptions): Stores {
  const { description: _, ...stores } = inner;
  const description = describe(inner.description, limits);
  const calls = new LazyCallStore(inner, limits);
  return { ...stores, calls, layers: [inner], ...(description !== undefined && { description }) };
}

/** A function cannot travel: then results are stored here, and not by workers. */
function describe(
  inner: StoreDescription | undefined,
  { policy, onWarning: _, ...limits }: LimitOptions,
): StoreDescription | undefined {
  if (inner === undefined || typeof policy === "function") return undefined;
  const limit = { ...limits, ...(policy !== undefined && { policy }) };
  return { type: "limited", limits: limit, stores: inner };
}

/** Limited calls whose code is loaded when they are first used: most programs limit nothing. */
class LazyCallStore implements CallStore {
  readonly #stores: Stores;
  readonly #limits: LimitOptions;
  #calls: LimitedCalls | undefined;

  constructor(stores: Stores, limits: LimitOptions) {
    this.#stores = stores;
    this.#limits = limits;
  }

  get(key: Digest): MaybePromise<CallRecord | undefined> {
    if (this.#calls !== undefined) return this.#calls.get(key);
    return this.#load().then((calls) => calls.get(key));
  }

  async put(record: CallRecord, lease?: Lease): Promise<boolean> {
    return await (await this.#load()).put(record, lease);
  }

  async delete(key: Digest): Promise<boolean> {
    return await (await this.#load()).delete(key);
  }

  allRecords(): Iterable<CallRecord> | AsyncIterable<CallRecord> {
    const { calls } = this.#stores;
    return calls.allRecords?.() ?? calls.records();
  }

  async *records(damaged?: TellDamaged): AsyncIterable<CallRecord> {
    yield* (await this.#load()).records(damaged);
  }

  follow(): CallFeed {
    return this.#stores.calls.follow?.() ?? { read: () => [{ type: "reset" }] };
  }

  async #load(): Promise<LimitedCalls> {
    const { LimitedCalls } = LIMITING.loaded ?? await LIMITING.load();
    return this.#calls ??= new LimitedCalls(this.#stores, this.#limits);
  }
}
