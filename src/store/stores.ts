/**
 * The seams between a cache and what keeps its data.
 *
 * Stores may answer at once or with a promise: a bag and a memory store answer at once, which is
 * what makes a hit cost microseconds.
 *
 * @module
 */
import type { BagOptions } from "../bag/bag_files.ts";
import type { CacheFilesOptions } from "../bag/cache_files.ts";
import type { CallRecord } from "../call/call_record.ts";
import type { Digest, EncodedValue } from "../value/encoded_value.ts";
import type { StoreStatistics } from "./statistics.ts";

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
   * Keeps a record; a later one of the same key replaces an earlier one.
   *
   * @param record The record.
   */
  put(record: CallRecord): MaybePromise<void>;
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
  /** Goes over all records, each key once. */
  records(): Iterable<CallRecord> | AsyncIterable<CallRecord>;
}

/** The right to compute one key; freed when disposed or when its holder dies. */
export interface Lease extends Disposable {
  /** The key. */
  readonly key: Digest;
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
   * Waits until the holder of a lease may have finished: its result may be there, or the lease may
   * be free. Whoever waited looks the call up again, and then tries again.
   *
   * @param key The key of the call.
   * @param signal Ends the wait with the signal's reason.
   */
  changed(key: Digest, signal?: AbortSignal): Promise<void>;
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

/** How to open stores that keep values in one place and calls in another. */
export interface MixedDescription {
  /** Stores of two places. */
  readonly type: "mixed";
  /** Where values are kept. */
  readonly values: StoreDescription;
  /** Where records are kept. */
  readonly calls: StoreDescription;
}

/** How another isolate or process opens the same stores. */
export type StoreDescription =
  | BagDescription
  | FilesDescription
  | SqliteDescription
  | SignedDescription
  | MixedDescription;

/** Everything a cache stands on. */
export interface Stores {
  /** Where values are kept. */
  readonly values: ValueStore;
  /** Where records are kept. */
  readonly calls: CallStore;
  /** Who may compute what. */
  readonly leases: LeaseStore;
  /** Whether nothing can be kept: then nothing is tried. */
  readonly readOnly?: boolean;
  /** How another isolate opens the same; absent when none can, as with memory. */
  readonly description?: StoreDescription;
  /** Tells what was counted; absent where nothing is. */
  readonly statistics?: () => StoreStatistics;
}
