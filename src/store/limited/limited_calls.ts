import { type QuiverWarning, toSafeWarning } from "../../base/warning.ts";
import type { RecordPlan } from "../../call/call_query.ts";
import type { CallRecord } from "../../call/call_record.ts";
import type { Digest } from "../../value/value.ts";
import type {
  CallFeed,
  IsWanted,
  Lease,
  MaybePromise,
  RecordChange,
  Stores,
  TellDamaged,
  UseSet,
  ValueDescription,
} from "../stores.ts";
import { digestsOf, sweepStores } from "../sweep.ts";
import { EvictionIndex } from "./eviction_index.ts";
import { Garbage } from "./garbage.ts";
import type { LimitOptions } from "./limits.ts";
import { type Selection, toSelection } from "./policy.ts";

/** Values that no call needs are swept when they take this share of `maxBytes`. */
const GARBAGE_SHARE = 1 / 4;

/** They are not swept before they take this much, in bytes. */
const LEAST_GARBAGE = 1024 * 1024;

/** When they are swept where `maxBytes` is not set, in bytes. */
const USUAL_GARBAGE = 64 * 1024 * 1024;

/** How long a sweep keeps values that no record names, in milliseconds. */
const GRACE = 2000;

/** So many handles may put calls at once before one of them looks whether they are too many. */
const MOST_HANDLES = 64;

/** A file is rewritten when less than this share of it is wanted. */
const SHARE = 2 / 3;

/** Calls that keep within limits; see `limited_stores.ts`. */
export class LimitedCalls {
  readonly #stores: Stores;
  readonly #limits: Required<
    Pick<LimitOptions, "maxBytes" | "maxItems" | "maxAge" | "gracePeriod">
  >;
  readonly #selection: Selection;
  readonly #onWarning: (warning: QuiverWarning) => void;
  readonly #index: EvictionIndex;
  /** What holds the values of calls. */
  readonly #swept: readonly Stores[];
  #feed: CallFeed | undefined;
  readonly #garbage: Garbage;
  /** What the stores know of uses, as of when calls were last evicted. */
  #uses: readonly UseSet[] = [];
  /** What may be put before the index has to be up to date. */
  #allowance = { items: 0, bytes: 0 };

  /**
   * Reads nothing yet.
   *
   * @param limits What they are limited to.
   */
  constructor(stores: Stores, limits: LimitOptions) {
    const { maxBytes = Infinity, maxItems = Infinity, maxAge = Infinity, gracePeriod = GRACE } =
      limits;
    this.#stores = stores;
    this.#limits = { maxBytes, maxItems, maxAge, gracePeriod };
    this.#selection = toSelection(limits.policy);
    this.#onWarning = toSafeWarning(limits.onWarning);
    this.#swept = stores.swept ?? [stores];
    const much = maxBytes === Infinity
      ? USUAL_GARBAGE
      : Math.max(LEAST_GARBAGE, maxBytes * GARBAGE_SHARE);
    this.#garbage = new Garbage(this.#swept, much);
    const { rankOf, bytesCount } = this.#selection;
    const isMeasured = bytesCount || maxBytes !== Infinity;
    this.#index = new EvictionIndex({
      rankOf,
      describe: isMeasured ? (digest) => this.#describe(digest) : undefined,
      lastUsed: (key) => this.#lastUsed(key),
    });
  }

  #describe(digest: Digest): ValueDescription | undefined {
    for (const { sweeper } of this.#swept) {
      const description = sweeper?.describe(digest);
      if (description !== undefined) return description;
    }
    return undefined;
  }

  /** When others have used a call, too. */
  #lastUsed(key: Digest): number {
    if (!this.#selection.usesCount) return 0;
    let last = 0;
    for (const { calls } of this.#uses) last = Math.max(last, calls.get(key) ?? 0);
    return last;
  }

  /** As of any store of calls. */
  get(key: Digest): MaybePromise<CallRecord | undefined> {
    const record = this.#stores.calls.get(key);
    return record instanceof Promise ? record.then((one) => this.#use(one)) : this.#use(record);
  }

  /** As of any store of calls. */
  async findOther(key: Digest, isWanted: IsWanted): Promise<CallRecord | undefined> {
    const isYoung: IsWanted = (record) => !this.#isTooOld(record) && isWanted(record);
    return this.#use(await this.#stores.calls.findOther?.(key, isYoung));
  }

  #use(record: CallRecord | undefined): MaybePromise<CallRecord | undefined> {
    if (record === undefined) return undefined;
    if (this.#isTooOld(record)) {
      return this.#stores.calls.findOther && this.findOther(record.key, () => true);
    }
    if (this.#selection.usesCount) this.#index.use(record.key);
    return record;
  }

  #isTooOld(record: CallRecord): boolean {
    return this.#endOf(record) + this.#limits.maxAge < Date.now();
  }

  /**
   * When a body has ended: now at the latest, though the clock of whoever ran it was ahead. By how much
   * nobody knows, and what is further ahead than calls are kept counts as ended long ago.
   */
  #endOf({ started, duration, wall }: CallRecord): number {
    const ended = wall ?? started + duration;
    const now = Date.now();
    return ended - now > this.#limits.maxAge ? 0 : Math.min(ended, now);
  }

  /** As of any store of calls; evicts what is too much. */
  async put(record: CallRecord, lease?: Lease): Promise<boolean> {
    if (await this.#stores.calls.put(record, lease) === false) return false;
    if (this.#isAllowed(record)) return true;
    await this.#catchUp();
    this.#index.use(record.key);
    this.#index.forgetEarly();
    this.#garbage.stored(this.#index.bytesOf(record.key));
    await this.#enforce();
    await this.#sweep();
    this.#allow();
    return true;
  }

  /** Far from the limits nobody need look at each call; many handles may be putting some. */
  #allow(): void {
    const { maxBytes, maxItems } = this.#limits;
    this.#allowance = {
      items: Math.floor((maxItems - this.#index.size) / MOST_HANDLES),
      bytes: (maxBytes - this.#index.bytes) / MOST_HANDLES,
    };
  }

  #isAllowed(record: CallRecord): boolean {
    const { maxBytes, maxAge } = this.#limits;
    const { oldest } = this.#index;
    if (oldest !== undefined && oldest.ended + maxAge < Date.now()) return false;
    if (--this.#allowance.items < 0) return false;
    if (maxBytes === Infinity) return true;
    let bytes = 0;
    for (const digest of digestsOf(record)) {
      const described = this.#describe(digest);
      // What the parts take is not told.
      if (described === undefined || described.parts.length > 0) return false;
      bytes += described.bytes;
    }
    this.#garbage.stored(bytes);
    this.#allowance.bytes -= bytes;
    return this.#allowance.bytes >= 0;
  }

  /** As of any store of calls. */
  async delete(key: Digest): Promise<boolean> {
    const known = await this.#stores.calls.delete(key);
    this.#index.delete(key);
    return known;
  }

  /** As of any store of calls: those that are not too old. */
  async *records(damaged?: TellDamaged, plan?: RecordPlan): AsyncIterable<CallRecord> {
    for await (const record of this.#stores.calls.records(damaged, plan)) {
      if (!this.#isTooOld(record)) yield record;
    }
  }

  /** Brings the index up to date with what was stored and forgotten, by whoever. */
  async #catchUp(): Promise<void> {
    this.#feed ??= this.#stores.calls.feed?.();
    const changes = this.#feed?.read() ?? [];
    // A promise for each change of a store that answers at once would cost more than the rest.
    if (Symbol.iterator in changes) { for (const change of changes) this.#take(change); }
    else for await (const change of changes) this.#take(change);
  }

  #take(change: RecordChange): void {
    if (change.type === "put") this.#index.put(change.record, this.#endOf(change.record));
    else if (change.type === "delete") this.#index.delete(change.key);
    else this.#index.clear();
  }

  async #enforce(): Promise<void> {
    const { maxBytes, maxItems, maxAge } = this.#limits;
    const expired = Date.now() - maxAge;
    let { oldest } = this.#index;
    while (oldest !== undefined && oldest.ended < expired) {
      await this.#evict(oldest.key);
      ({ oldest } = this.#index);
    }
    const isTooMuch = () => this.#index.bytes > maxBytes || this.#index.size > maxItems;
    if (isTooMuch() && this.#selection.usesCount) this.#uses = this.#stores.uses?.read() ?? [];
    while (isTooMuch()) {
      const key = this.#selection.select(this.#index);
      if (key === undefined) {
        throw new TypeError("Cannot evict a call: the policy gave no key of one");
      }
      await this.#evict(key);
    }
  }

  async #evict(key: Digest): Promise<void> {
    const before = this.#index.bytes;
    this.#index.delete(key);
    this.#garbage.evicted(before - this.#index.bytes);
    await this.#stores.calls.delete(key);
  }

  async #sweep(): Promise<void> {
    const { gracePeriod } = this.#limits;
    if (!this.#garbage.isMuch(this.#index.bytes)) return;
    try {
      for (const stores of this.#swept) await sweepStores(stores, gracePeriod, { share: SHARE });
    } catch (cause) {
      const message = "Cannot give back the space of evicted calls: it is tried again later";
      this.#onWarning({ message, cause });
    }
    this.#garbage.swept(this.#index.bytes);
  }
}
