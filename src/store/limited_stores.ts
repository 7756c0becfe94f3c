/**
 * Stores that keep within limits.
 *
 * A ledger in memory knows which calls are remembered and what their values take. It is made of the
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
import type { CallRecord } from "../call/call_record.ts";
import { type QuiverWarning, writeWarning } from "../warning.ts";
import type { Digest } from "../value/encoded_value.ts";
import { CallLedger } from "./call_ledger.ts";
import type {
  CallFeed,
  CallStore,
  LimitDescription,
  MaybePromise,
  StoreDescription,
  Stores,
} from "./stores.ts";
import { sweepStores } from "./sweep_stores.ts";
import { type Selection, toSelection, type VictimPolicy } from "./victim_policy.ts";

/** Values of evicted calls are swept when they take this share of `maxBytes`. */
const GARBAGE_SHARE = 1 / 4;

/** They are not swept before they take this much, in bytes. */
const LEAST_GARBAGE = 1024 * 1024;

/** When they are swept where `maxBytes` is not set, in bytes. */
const USUAL_GARBAGE = 64 * 1024 * 1024;

/** How long a sweep keeps values that no record names, in milliseconds. */
const GRACE = 2000;

/** A file is rewritten when less than this share of it is wanted. */
const SHARE = 1 / 2;

/** What stores are limited to. */
export interface StoreLimits extends Omit<LimitDescription, "policy"> {
  /** Which call goes first: the name of a policy, or a function that selects it. */
  policy?: LimitDescription["policy"] | VictimPolicy;
  /** Told when space could not be given back; by default written to standard error. */
  onWarning?: (warning: QuiverWarning) => void;
}

/**
 * Limits stores.
 *
 * @param inner The stores.
 * @param limits What they are limited to.
 * @returns Stores with the same content that evict what is too much.
 */
export function limitStores(inner: Stores, limits: StoreLimits): Stores {
  const { description: _, ...stores } = inner;
  const description = describe(inner.description, limits);
  const calls = new LimitedCalls(inner, limits);
  return { ...stores, calls, ...(description !== undefined && { description }) };
}

/** A function cannot travel: then results are stored here, and not by workers. */
function describe(
  inner: StoreDescription | undefined,
  { policy, onWarning: _, ...limits }: StoreLimits,
): StoreDescription | undefined {
  if (inner === undefined || typeof policy === "function") return undefined;
  const limit = { ...limits, ...(policy !== undefined && { policy }) };
  return { type: "limited", limits: limit, stores: inner };
}

class LimitedCalls implements CallStore {
  readonly #stores: Stores;
  readonly #limits: Required<Pick<StoreLimits, "maxBytes" | "maxItems" | "maxAge" | "grace">>;
  readonly #selection: Selection;
  readonly #onWarning: (warning: QuiverWarning) => void;
  readonly #ledger: CallLedger;
  #feed: CallFeed | undefined;
  #garbage = 0;

  constructor(stores: Stores, limits: StoreLimits) {
    const { maxBytes = Infinity, maxItems = Infinity, maxAge = Infinity, grace = GRACE } = limits;
    this.#stores = stores;
    this.#limits = { maxBytes, maxItems, maxAge, grace };
    this.#selection = toSelection(limits.policy);
    this.#onWarning = limits.onWarning ?? writeWarning;
    this.#ledger = new CallLedger((digest) => stores.sweeper?.describe(digest));
  }

  get(key: Digest): MaybePromise<CallRecord | undefined> {
    const record = this.#stores.calls.get(key);
    return record instanceof Promise ? record.then((one) => this.#use(one)) : this.#use(record);
  }

  #use(record: CallRecord | undefined): CallRecord | undefined {
    if (record === undefined || this.#isTooOld(record)) return undefined;
    if (this.#selection.usesCount) this.#ledger.use(record.key);
    return record;
  }

  #isTooOld({ started, duration }: CallRecord): boolean {
    return started + duration + this.#limits.maxAge < Date.now();
  }

  async put(record: CallRecord): Promise<void> {
    await this.#stores.calls.put(record);
    await this.#catchUp(record);
    this.#ledger.useEarly();
    await this.#enforce();
    await this.#sweep();
  }

  async delete(key: Digest): Promise<boolean> {
    const known = await this.#stores.calls.delete(key);
    this.#ledger.delete(key);
    return known;
  }

  allRecords(): Iterable<CallRecord> | AsyncIterable<CallRecord> {
    const { calls } = this.#stores;
    return calls.allRecords?.() ?? calls.records();
  }

  async *records(): AsyncIterable<CallRecord> {
    for await (const record of this.#stores.calls.records()) {
      if (!this.#isTooOld(record)) yield record;
    }
  }

  follow(): CallFeed {
    return this.#stores.calls.follow?.() ?? { read: () => [{ type: "reset" }] };
  }

  /** Brings the ledger up to date; without a feed it knows what goes through here, and no more. */
  async #catchUp(own: CallRecord): Promise<void> {
    const { calls } = this.#stores;
    if (calls.follow === undefined) {
      if (this.#feed === undefined) {
        for await (const record of calls.records()) this.#ledger.put(record);
      }
      this.#feed = { read: () => [] };
      this.#ledger.put(own);
      return;
    }
    this.#feed ??= calls.follow();
    for (const change of this.#feed.read()) {
      if (change.type === "put") this.#ledger.put(change.record);
      else if (change.type === "delete") this.#ledger.delete(change.key);
      else this.#ledger.clear();
    }
  }

  async #enforce(): Promise<void> {
    const { maxBytes, maxItems, maxAge } = this.#limits;
    const expired = Date.now() - maxAge;
    let { oldest } = this.#ledger;
    while (oldest !== undefined && oldest.ended < expired) {
      await this.#evict(oldest.key);
      ({ oldest } = this.#ledger);
    }
    while (this.#ledger.bytes > maxBytes || this.#ledger.size > maxItems) {
      const key = this.#selection.select(this.#ledger);
      if (key === undefined) {
        throw new TypeError("Cannot evict a call: the policy gave no key of one");
      }
      await this.#evict(key);
    }
  }

  async #evict(key: Digest): Promise<void> {
    const before = this.#ledger.bytes;
    this.#ledger.delete(key);
    this.#garbage += before - this.#ledger.bytes;
    await this.#stores.calls.delete(key);
  }

  async #sweep(): Promise<void> {
    const { maxBytes, grace } = this.#limits;
    const much = maxBytes === Infinity
      ? USUAL_GARBAGE
      : Math.max(LEAST_GARBAGE, maxBytes * GARBAGE_SHARE);
    if (this.#garbage < much || this.#stores.sweeper === undefined) return;
    this.#garbage = 0;
    try {
      await sweepStores(this.#stores, grace, { share: SHARE });
    } catch (cause) {
      const message = "Cannot give back the space of evicted calls: it is tried again later";
      this.#onWarning({ message, cause });
    }
  }
}
