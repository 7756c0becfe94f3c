import type { WorkerEnding } from "../call_options.ts";
import type { DispatchedCall } from "./call.ts";
import type { WorkerPool } from "./worker_pool.ts";

/** What an executor is doing. */
export interface WorkerStatistics {
  /** Calls that have not started. */
  readonly queued: number;
  /** Calls that run and were not given up. */
  readonly running: number;
  /** Workers without calls. */
  readonly idle: number;
  /** Workers that take calls, idle ones included. */
  readonly workers: number;
  /**
   * Workers that take no call: they still run one that was given up, or what a call has left behind,
   * such as a timer that never returns.
   */
  readonly lost: number;
  /** Workers that are no more, by why they have ended; absent as long as none has. */
  readonly ended?: { readonly [E in WorkerEnding]?: number };
}

/**
 * Counts calls and workers.
 *
 * @param waiting How many calls are at no worker.
 * @returns The counts of this moment.
 */
export function countWorkers(pool: WorkerPool<DispatchedCall>, waiting: number): WorkerStatistics {
  const { workers, idle, lost, ended } = pool;
  let queued = waiting;
  let running = 0;
  for (const { calls } of workers) {
    // They begin in order.
    let begun = true;
    for (const call of calls) {
      if (call.at === "end") continue;
      begun &&= call.begun;
      const { size, taken } = call;
      const runs = begun && call.runs;
      if (runs) running++;
      // One item runs at a time. Of those whose others were taken back it is about to be told.
      queued += begun && taken ? 0 : size - (runs ? 1 : 0);
    }
  }
  const counts = { queued, running, idle, workers: workers.size, lost };
  return ended === undefined ? counts : { ...counts, ended };
}
