/**
 * The seams between a cache and what keeps its data.
 *
 * Stores may answer at once or with a promise: a bag and a memory store answer at once, which is
 * what makes a hit cost microseconds.
 *
 * @module
 */
import type { CallRecord } from "../call/call_record.ts";
import type {
  BagOptions,
  CacheFilesOptions,
  StorageStatistics,
  TellDamaged,
} from "../disk/disk_storage.ts";
import type { Digest, EncodedValue } from "../value/value.ts";
import type { LimitOptions } from "./limited/limits.ts";

export type { TellDamaged } from "../disk/disk_storage.ts";

/** A value, or a promise of one. */
export type MaybePromise<T> = T | Promise<T>;

/** What a look-up found. */
export type Found<T> = { readonly hit: true; readonly value: T } | { readonly hit: false };

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
   * Takes note that what `get` gives, though whole, is not what the digest says: the next `put` of
   * the value keeps it again, with those of its parts that are wrong.
   *
   * @param digest The digest of the value.
   * @returns Whether `get` may have another copy to give.
   */
  reject?(digest: Digest): boolean;
}

/** Keeps records under the keys of their calls. */
export interface CallStore {
  /**
   * Keeps a record; a later one of the same key replaces an earlier one. Nothing is kept when the
   * lease that the call was computed under was revoked.
   *
   * @param record The record.
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
   */
  records(damaged?: TellDamaged): Iterable<CallRecord> | AsyncIterable<CallRecord>;
  /**
   * Goes over all records of the store, those included that this view of it does not show: what they
   * name belongs to others. Absent when there are no such records.
   */
  allRecords?(): Iterable<CallRecord> | AsyncIterable<CallRecord>;
  /** Follows changes, whoever makes them; absent when the store cannot tell. */
  follow?(): CallFeed;
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
  read(): Iterable<RecordChange>;
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
  /** Whether everything is rewritten, also what holds nothing unwanted. */
  readonly full?: boolean;
}

/** Drops values that no record names. */
export interface ValueSweeper {
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
   * Drops values.
   *
   * @param live The digests of all that is wanted, parts included.
   * @param options Since when values are kept anyway.
   * @returns What was dropped.
   */
  sweep(live: ReadonlySet<Digest>, options: SweepOptions): Promise<SweepResult>;
}

/** What a cache is limited to, as far as it travels. */
export interface LimitDescription extends Omit<LimitOptions, "policy" | "onWarning"> {
  /** Which call goes first. */
  policy?: Extract<LimitOptions["policy"], string>;
}

/** How to open the stores of a bag. */
export interface BagDescription {
  /** Which kind of cache. */
  readonly type: "bag";
  /** The absolute path of the bag. */
  readonly path: string;
  /** How to open it: all writers of a bag must promise the same. */
  readonly options: Omit<BagOptions, "fold">;
}

/** How to open the stores of a file cache. */
export interface FilesDescription {
  /** Which kind of cache. */
  readonly type: "files";
  /** The absolute path of the directory. */
  readonly path: string;
  /** How to open it: all writers must promise the same. */
  readonly options: CacheFilesOptions;
}

/** Options of a cache in a SQLite database. */
export interface SqliteOptions extends CacheFilesOptions {
  /**
   * How long to wait while another connection holds the database, in milliseconds; this isolate is
   * blocked meanwhile.
   *
   * @default {10000}
   */
  busyTimeout?: number;
}

/** How to open the stores of a SQLite cache. */
export interface SqliteDescription {
  /** Which kind of cache. */
  readonly type: "sqlite";
  /** The absolute path of the database. */
  readonly path: string;
  /** How to open it: all writers must promise the same. */
  readonly options: SqliteOptions;
}

/** How to open signed stores: a secret, to be shown to nobody. */
export interface SignedDescription {
  /** Stores that were wrapped. */
  readonly type: "signed";
  /** The signing keys. */
  readonly keys: readonly string[];
  /** What they were wrapped around. */
  readonly stores: StoreDescription;
}

/** How to open limited stores. */
export interface LimitedDescription {
  /** Stores that were wrapped. */
  readonly type: "limited";
  /** What they are limited to. */
  readonly limits: LimitDescription;
  /** What they were wrapped around. */
  readonly stores: StoreDescription;
}

/** How to open stores that keep values in one place and calls in another. */
export interface MixedDescription {
  /** Stores of two places. */
  readonly type: "mixed";
  /** Where values are kept. */
  readonly values: StoreDescription;
  /** Where records are kept. */
  readonly calls: StoreDescription;
}

/** How to open stores that stand on several caches, or on one that is not to be changed. */
export interface LayersDescription {
  /**
   * What is made of the layers: a stack that writes to the first one, a union that only reads, or
   * one cache that is only read.
   */
  readonly type: "stack" | "union" | "readOnly";
  /** The caches, the first one asked first. */
  readonly layers: readonly StoreDescription[];
}

/** How another isolate or process opens the same stores. */
export type StoreDescription =
  | BagDescription
  | FilesDescription
  | SqliteDescription
  | SignedDescription
  | LimitedDescription
  | MixedDescription
  | LayersDescription;

/** Everything a cache stands on. */
export interface Stores {
  /** Where values are kept. */
  readonly values: ValueStore;
  /** Where records are kept. */
  readonly calls: CallStore;
  /** Who may compute what. */
  readonly leases: LeaseStore;
  /** What the calls go through to, where these stores stand on others; absent when on none. */
  readonly layers?: readonly Stores[];
  /** Drops values that no record names; absent when the store cannot. */
  readonly sweeper?: ValueSweeper;
  /** Whether nothing can be kept: then nothing is tried. */
  readonly readOnly?: boolean;
  /** How another isolate opens the same; absent when none can, as with memory. */
  readonly description?: StoreDescription;
  /** Tells what was counted; absent where nothing is. */
  readonly statistics?: () => StoreStatistics;
}

/**
 * How another isolate, process or run of the program gets the same cache or bound task: data that
 * structured clone and JSON carry. What is in it is for Quiver alone, and may change.
 */
export interface Description {
  /** What is described. */
  readonly type: string;
}

/**
 * Leaves the signing keys out of a description, so that it may be shown.
 *
 * @param description The description.
 * @returns The same stores, unsigned.
 */
export function withoutKeys(description: StoreDescription): StoreDescription {
  if (description.type === "signed") return withoutKeys(description.stores);
  if (description.type === "limited") {
    return { ...description, stores: withoutKeys(description.stores) };
  }
  if ("layers" in description) {
    return { ...description, layers: description.layers.map(withoutKeys) };
  }
  if (description.type !== "mixed") return description;
  const { type, values, calls } = description;
  return { type, values: withoutKeys(values), calls: withoutKeys(calls) };
}

/**
 * Names what is described.
 *
 * @param description The description.
 * @returns The path, or the paths of values and calls.
 */
export function toPaths(description: StoreDescription): string {
  if (description.type === "signed" || description.type === "limited") {
    return toPaths(description.stores);
  }
  if ("layers" in description) return description.layers.map(toPaths).join(`", "`);
  if (description.type !== "mixed") return description.path;
  return `${toPaths(description.values)}" with "${toPaths(description.calls)}`;
}

export type { StorageStatistics } from "../disk/disk_storage.ts";

/**
 * What a cache has counted since it was opened.
 *
 * Each handle counts for itself: what nested calls do on workers is not among it.
 */
export interface CacheStatistics {
  /** How many calls were answered without running, those included that waited for others. */
  readonly hits: number;
  /** How many calls had to run, and gave a result. */
  readonly misses: number;
  /** How often a record was a miss because its signature was missing or bad. */
  readonly rejectedSignatures: number;
  /** How often a value was a miss because it was not what its digest says. */
  readonly rejectedValues: number;
  /** What lies on disk; absent where there is nothing, or nothing that is cheap to tell. */
  readonly storage?: StorageStatistics;
}

/** What stores have counted since they were opened, by this handle of them. */
export type StoreStatistics = Omit<CacheStatistics, "hits" | "misses">;

/** What stores that count nothing have counted. */
export const NO_STATISTICS: StoreStatistics = { rejectedSignatures: 0, rejectedValues: 0 };
