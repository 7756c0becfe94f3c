import type { Outcome } from "../worker/worker.ts";
import { LogHistogram } from "./_log_histogram.ts";
import type { CallStatistics } from "./call_statistics.ts";

/** Counts how the calls of a dispatcher end, at the same cost however many there were. */
export class CallTally {
  readonly #runTimes = new LogHistogram();
  readonly #waitTimes = new LogHistogram();
  #completed = 0;
  #failed = 0;
  #retried = 0;

  /**
   * A worker has run a call.
   *
   * @param outcome How the call ended.
   * @param age How long ago it was given to the dispatcher, in milliseconds.
   */
  ran(outcome: Outcome, age: number): void {
    if (outcome.type === "error") this.#failed++;
    // Elsewhere it was known already, or somebody computes it: this worker only looked.
    else if (outcome.note === "hit" || outcome.note === "busy") return;
    else this.#completed++;
    this.#runTimes.add(outcome.duration);
    this.#waitTimes.add(age - outcome.duration);
  }

  /** A call's worker died. */
  died(): void {
    this.#failed++;
  }

  /** A call that has failed is run once more. */
  retried(): void {
    this.#failed--;
    this.#retried++;
  }

  /** The counts of this moment. */
  get counts(): CallStatistics {
    const { quantiles: runTime } = this.#runTimes;
    const { quantiles: waitTime } = this.#waitTimes;
    return {
      completed: this.#completed,
      failed: this.#failed,
      retried: this.#retried,
      ...(runTime !== undefined && { runTime }),
      ...(waitTime !== undefined && { waitTime }),
    };
  }
}
