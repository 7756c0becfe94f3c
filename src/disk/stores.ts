/**
 * The seams between a cache and what keeps its data.
 *
 * Stores may answer at once or with a promise: a bag and a memory store answer at once, which is
 * what makes a hit cost microseconds.
 *
 * @module
 */
import type { RecordPlan } from "../call/call_query.ts";
import type { CallRecord, CallUse } from "../call/call_record.ts";
import type { Digest, EncodedValue, Found } from "../value/value.ts";

export type { Found } from "../value/value.ts";

/** A value, or a promise of one. */
export type MaybePromise<T> = T | Promise<T>;

/** Keeps values under their digests. */
export interface ValueStore {
  /**
   * Keeps a value. When this returns, the value is safe to the degree that the store promises.
   *
   * @param value The value with its digest and parts. The store does not keep the buffers it is given.
   */
  put(value: EncodedValue): MaybePromise<void>;
  /**
   * Reads a value, as an own copy of the caller's.
   *
   * @param digest The digest of the value.
   * @returns The value, or a miss when it or a part of it is missing or damaged.
   */
  get(digest: Digest): MaybePromise<Found<unknown>>;
  /**
   * Tells whether a value is there, without reading it; absent where that is not cheap to tell.
   *
   * @param digest The digest of the value.
   */
  holds?(digest: Digest): boolean;
  /**
   * Lists the values whose digests begin with some characters, 4 at least; absent where there is no list.
   * Parts of values may be among them.
   */
  matching?(prefix: string): Iterable<Digest>;
  /**
   * Takes note that what `get` gives, though whole, is not what the digest says: the next `put` of
   * the value keeps it again, with those of its parts that are wrong.
   *
   * @param digest The digest of the value.
   * @returns Whether `get` may have another copy to give.
   */
  reject?(digest: Digest): boolean;
}

/** Tells whether a record is one that is looked for. */
export type IsWanted = (record: CallRecord) => MaybePromise<boolean>;

/** Told where a record lies that is passed over as it is damaged. */
export type TellDamaged = (where: string) => void;

/** Keeps records under the keys of their calls. */
export interface CallStore {
  /**
   * Keeps a record; a later one of the same key replaces an earlier one. Nothing is kept when the
   * lease that the call was computed under was revoked.
   *
   * @param lease The lease, if there is one.
   * @returns `false` when nothing was kept.
   */
  put(record: CallRecord, lease?: Lease): MaybePromise<boolean | void>;
  /**
   * Finds a record.
   *
   * @param key The key of the call.
   * @returns The record, or `undefined`.
   */
  get(key: Digest): MaybePromise<CallRecord | undefined>;
  /**
   * Finds another record of a key than the one that `get` gives, which may have expired; absent where there
   * is one at most.
   *
   * @param key The key of the call.
   * @param isWanted Tells whether it is looked for.
   * @returns The first that is, or `undefined`.
   */
  findOther?(key: Digest, isWanted: IsWanted): Promise<CallRecord | undefined>;
  /**
   * Forgets a call. Its values stay until they are collected.
   *
   * @param key The key of the call.
   * @returns Whether the call was known.
   */
  delete(key: Digest): MaybePromise<boolean>;
  /**
   * Goes over all records, each key once.
   *
   * @param damaged Told where a record lies that is passed over as it is damaged.
   * @param plan Which records are wanted: a store may leave out others, and need not.
   */
  records(
    damaged?: TellDamaged,
    plan?: RecordPlan,
  ): Iterable<CallRecord> | AsyncIterable<CallRecord>;
  /**
   * Counts records without reading all of them; absent where that is not possible.
   *
   * @param plan Which records.
   * @param damaged Told of damaged records, as far as they were looked at.
   * @returns How many there are, or `undefined` where the store cannot tell by that plan.
   */
  count?(plan: RecordPlan, damaged?: TellDamaged): MaybePromise<number | undefined>;
  /**
   * Goes over all records of the store, those included that this view of it does not show: what they
   * name belongs to others. Absent when there are no such records.
   */
  allRecords?(): Iterable<CallRecord> | AsyncIterable<CallRecord>;
  /** Opens a feed of changes, whoever makes them; absent when the store cannot tell. */
  feed?(): CallFeed;
  /**
   * Tells whether a call was known and then forgotten, as far as there is a trace of that; absent when
   * there is none. Nobody need tell so of a call that is known.
   *
   * @param key The key of the call.
   * @returns Whether it was.
   */
  isForgotten?(key: Digest): MaybePromise<boolean>;
  /**
   * Tells whether a record would be given once it is here; absent when any would.
   *
   * @param record The record, as it is stored elsewhere.
   * @returns Whether it would.
   */
  believes?(record: CallRecord): boolean;
}

/** Keeps the newest failures of calls, for people: none of them answers a call. */
export interface FailureStore {
  /** Calls that have failed, as far as this handle knows: what succeeds and is among them is cleared. */
  readonly seen: Pick<ReadonlySet<Digest>, "size" | "has">;
  /**
   * Keeps a failure; a later one of the same key replaces an earlier one.
   *
   * @param record The record of the call, with its failure.
   */
  put(record: CallRecord): MaybePromise<void>;
  /**
   * Finds a failure.
   *
   * @param key The key of the call.
   */
  get(key: Digest): MaybePromise<CallRecord | undefined>;
  /**
   * Forgets a failure.
   *
   * @param key The key of the call.
   * @returns Whether it was known.
   */
  delete(key: Digest): MaybePromise<boolean>;
  /** Gives all failures, the oldest first. */
  records(): MaybePromise<readonly CallRecord[]>;
}

/** Uses of calls that have all in common but the call: who has used which, and when last. */
export interface UseSet extends Pick<CallUse, "tags" | "run"> {
  /** When each call was last used, in milliseconds since 1970, by its key. */
  readonly calls: ReadonlyMap<Digest, number>;
}

/** Gives uses that are not in a store yet, once. */
export type UseSource = () => readonly UseSet[];

/** Keeps who has used which call, and when: for people, and for who evicts; no call depends on it. */
export interface UseStore {
  /**
   * Takes note that there are uses to be had: the store asks for them, once, before it is read or closed,
   * and within seconds where it writes them down.
   *
   * @param source Gives them; told of again when there are others.
   */
  expect(source: UseSource): void;
  /** Adds uses; of those of one call, one set of tags and one run the last counts. */
  add(sets: readonly UseSet[]): void;
  /** Adds uses that another cache or key had, also those of before they were forgotten here. */
  carry(sets: readonly UseSet[]): void;
  /**
   * Forgets uses, whatever run they are of.
   *
   * @param keys Of which calls.
   * @param tags Of which sets of tags, as they were read; of all, if not given.
   */
  forget(keys: Iterable<Digest>, tags?: readonly CallUse["tags"][]): void;
  /** Gives all uses; a set may come in parts. Nothing may be changed, and they hold until others do. */
  read(): readonly UseSet[];
}

/** A change of what a call store knows: a new record, a call that is forgotten, or anything. */
export type RecordChange =
  | { readonly type: "put"; readonly record: CallRecord }
  | { readonly type: "delete"; readonly key: Digest }
  | { readonly type: "reset" };

/** Tells what changed in a call store. */
export interface CallFeed {
  /**
   * Tells what changed since the last time. The first time, and whenever it cannot tell, that is
   * a reset, and then all records.
   *
   * @returns The changes in their order.
   */
  read(): Iterable<RecordChange> | AsyncIterable<RecordChange>;
}

/** The right to compute one key; freed when disposed or when its holder dies. */
export interface Lease extends Disposable {
  /** The key. */
  readonly key: Digest;
  /** Whether the call was to be forgotten since the lease was taken: its result is not to be kept. */
  readonly revoked: boolean;
}

/** Where isolates that share leases tell one another what their calls wait for. */
export interface WaitBoard {
  /**
   * Replaces what this isolate tells; when that throws, it tells nothing.
   *
   * @param note What the others are to know; nothing, if not given.
   */
  write(note?: Record<string, unknown>): void;
  /**
   * Reads what the others tell.
   *
   * @returns A note of each isolate that lives and has something to tell.
   */
  read(): Record<string, unknown>[];
}

/** Gives each key to one holder at a time, among all that share the store. */
export interface LeaseStore {
  /** What two that give the same leases have in common; absent when there are no two. */
  readonly place?: string;
  /** Finds deadlocks among isolates; absent when leases are not shared. */
  readonly board?: WaitBoard;
  /**
   * Tells for how long the oldest lease may have been held, in milliseconds; 0 when none is. Absent
   * when leases say nothing of calls in flight.
   */
  age?(): number;
  /**
   * Takes the lease of a key if it is free.
   *
   * @param key The key of the call.
   * @returns The lease, or `undefined` when somebody holds it.
   */
  tryAcquire(key: Digest): Lease | undefined;
  /**
   * Tells whoever holds the lease of a key that its result is not to be kept; absent when nobody but
   * this isolate can hold one.
   *
   * @param key The key of the call.
   */
  revoke?(key: Digest): void;
  /**
   * Waits until the holder of a lease may have finished: its result may be there, or the lease may
   * be free. Whoever waited looks the call up again, and then tries again.
   *
   * @param key The key of the call.
   * @param signal Ends the wait with the signal's reason.
   */
  changed(key: Digest, signal?: AbortSignal): Promise<void>;
}

/** What is known of a stored value. */
export interface ValueDescription {
  /** The size of its own bytes as they are stored. */
  readonly bytes: number;
  /** The digests of the parts that it refers to. */
  readonly parts: readonly Digest[];
}

/** What was dropped. */
export interface SweepResult {
  /** How many values. */
  readonly values: number;
  /** Their bytes as they were stored. */
  readonly bytes: number;
}

/** Options of {@linkcode ValueSweeper.sweep}. */
export interface SweepOptions {
  /** What {@linkcode ValueSweeper.horizon} gave before the records were read. */
  readonly horizon: number;
  /**
   * What may stay for now: a file is rewritten when less than this share of it is wanted.
   *
   * @default {1}
   */
  readonly share?: number;
  /** Whether all space is given back, for which everything may be rewritten. */
  readonly full?: boolean;
}

/** Drops values that no record names. */
export interface ValueSweeper {
  /**
   * For how long after it was put a value may be kept whatever the horizon, in milliseconds.
   *
   * @default {0}
   */
  readonly hesitation?: number;
  /** Whether a sweep finds the parts of what is wanted by itself, which else are to be told to it. */
  readonly findsParts?: boolean;
  /**
   * Finds the moment after which values are kept whatever names them: calls in flight, which store
   * their values before their record, have stored none before it.
   *
   * @param gracePeriod For how long values that belong to no call in flight are kept, in milliseconds.
   * @returns The moment, in milliseconds since 1970.
   */
  horizon(gracePeriod: number): Promise<number>;
  /**
   * Tells what is known of a value.
   *
   * @param digest The digest of the value.
   * @returns Its size and parts, or `undefined` when it is missing or damaged.
   */
  describe(digest: Digest): ValueDescription | undefined;
  /**
   * Tells how many bytes all values take, those included that nobody wants; absent where that is not
   * cheap to tell.
   */
  bytes?(): number;
  /**
   * Drops values.
   *
   * @param live The digests of all that is wanted, parts included unless it finds them.
   * @param options Since when values are kept anyway.
   * @returns What was dropped.
   */
  sweep(live: ReadonlySet<Digest>, options: SweepOptions): Promise<SweepResult>;
}
