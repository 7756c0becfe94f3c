/** What share of the times was no longer, in milliseconds. */
export interface TimeQuantiles {
  /** Half of the times were no longer. */
  readonly p50: number;
  /** Nine in ten were no longer. */
  readonly p90: number;
  /** All but one in a hundred were no longer. */
  readonly p99: number;
}

/**
 * How the calls that reached workers have ended. Of a map, items that travel together (a chunk) count
 * as one call, which has not failed when some of its items have; those that are then run again count
 * as calls of their own.
 */
export interface CallStatistics {
  /** Calls that a worker has computed. */
  readonly completed: number;
  /** Calls that a worker ran in vain: the task threw, or the worker died. */
  readonly failed: number;
  /** Calls that were run once more after they had failed, each time counted. */
  readonly retried: number;
  /** How long calls ran on their workers; absent as long as none has. */
  readonly runTime?: TimeQuantiles;
  /** How long calls were on their way beside that, mostly in the queue; absent as long as none has run. */
  readonly waitTime?: TimeQuantiles;
}
