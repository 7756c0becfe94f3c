import type { CallStatistics } from "./call_statistics.ts";
import type { DispatcherStatistics } from "./dispatcher.ts";

/** What an executor is doing, and has done. */
export interface ExecutorStatistics extends DispatcherStatistics, CallStatistics {
  /** Calls that the cache answered, or whose result somebody else computed meanwhile. */
  readonly hits: number;
  /** Calls that a cache was asked for in vain; those without a cache count as neither. */
  readonly misses: number;
}
