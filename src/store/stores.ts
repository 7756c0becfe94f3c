import type { CallTemplate } from "../call/call_query.ts";
import type { CallRecord } from "../call/call_record.ts";
import type { BagOptions, CacheFilesOptions, StorageStatistics } from "../disk/disk_storage.ts";
import type {
  CallStore,
  FailureStore,
  Found,
  IsWanted,
  LeaseStore,
  MaybePromise,
  TellDamaged,
  UseStore,
  ValueStore,
  ValueSweeper,
} from "../disk/stores.ts";
import type { Digest, EncodedPart } from "../value/value.ts";
import type { LimitOptions } from "./limited/limits.ts";

export type * from "../disk/stores.ts";

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

/** How to open stores that show a part of the calls of others. */
export type ViewDescription =
  | {
    /** Those that a query finds. */
    readonly type: "filtered";
    /** The query, which has no functions. */
    readonly query: CallTemplate;
    /** What is shown. */
    readonly stores: StoreDescription;
  }
  | {
    /** Those that were computed since then. */
    readonly type: "refreshing";
    /** Since when, in milliseconds since 1970. */
    readonly since: number;
    /** What is shown. */
    readonly stores: StoreDescription;
  };

/** How another isolate or process opens the same stores. */
export type StoreDescription =
  | BagDescription
  | FilesDescription
  | SqliteDescription
  | SignedDescription
  | LimitedDescription
  | MixedDescription
  | LayersDescription
  | ViewDescription;

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
  /** What has failed; absent when that is not kept. */
  readonly failures?: FailureStore;
  /** Who has used which call; absent when that is not kept. */
  readonly uses?: UseStore;
  /** Drops values that no record names; absent when the store cannot. */
  readonly sweeper?: ValueSweeper;
  /**
   * The stores that hold what calls leave which are forgotten here; absent where that is these alone.
   */
  readonly swept?: readonly Stores[];
  /** Whose records name the values that the sweeper drops; absent where that is those of these alone. */
  readonly namers?: readonly Stores[];
  /** Whether nothing can be kept: then nothing is tried. */
  readonly readOnly?: boolean;
  /** How another isolate opens the same; absent when none can, as with memory. */
  readonly description?: StoreDescription;
  /** Tells what was counted; absent where nothing is. */
  readonly statistics?: () => StoreStatistics;
  /**
   * Reads the result of a call. Of stores that stand on several others, one may have the record and
   * have lost the value, which another still has; absent where both lie in one place.
   *
   * @param isWanted Tells which other record of the call may stand in for this one; any, if not given.
   * @returns The result as the caller's own copy, or a miss.
   */
  readonly resultOf?: (record: CallRecord, isWanted?: IsWanted) => MaybePromise<Found<unknown>>;
}

/** Values that are there at once. */
export interface PromptValues extends ValueStore {
  /**
   * As the interface says.
   *
   * @param parts Takes the digests of large arrays in the value, where they are made to check it.
   */
  get(digest: Digest, parts?: Map<object, EncodedPart>): Found<unknown>;
}

/** Records that are there at once. */
export interface PromptCalls extends CallStore {
  /** As the interface says. */
  get(key: Digest): CallRecord | undefined;
  /** As the interface says. */
  records(damaged?: TellDamaged): Iterable<CallRecord>;
}

/** Stores that answer at once, as those of caches on disk do. */
export interface PromptStores extends Stores {
  readonly values: PromptValues;
  readonly calls: PromptCalls;
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
 * @returns The same stores, unsigned.
 */
export function withoutKeys(description: StoreDescription): StoreDescription {
  if (description.type === "signed") return withoutKeys(description.stores);
  if ("stores" in description) {
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
 * @returns The path, or the paths of values and calls.
 */
export function toPaths(description: StoreDescription): string {
  if ("stores" in description) return toPaths(description.stores);
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
