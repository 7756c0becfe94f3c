import type { StorageStatistics } from "../disk/cache_files.ts";

export type { StorageStatistics } from "../disk/cache_files.ts";

/** What stores have counted since they were opened, by this handle of them. */
export interface StoreStatistics {
  /** How often a record was a miss because its signature was missing or bad. */
  readonly rejectedSignatures: number;
  /** How often a value was a miss because it was not what its digest says. */
  readonly rejectedValues: number;
  /** What lies on disk; absent where there is nothing, or nothing that is cheap to tell. */
  readonly storage?: StorageStatistics;
}

/**
 * What a cache has counted since it was opened.
 *
 * Each handle counts for itself: what nested calls do on workers is not among it.
 */
export interface CacheStatistics extends StoreStatistics {
  /** How many calls were answered without running, those included that waited for others. */
  readonly hits: number;
  /** How many calls had to run, and gave a result. */
  readonly misses: number;
}

/** What stores that count nothing have counted. */
export const NO_STATISTICS: StoreStatistics = { rejectedSignatures: 0, rejectedValues: 0 };
