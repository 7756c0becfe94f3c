import type { WorkerAllowance } from "../../scope/scope.ts";

/** To look takes 10 microseconds: after each short call it would cost more than the call. */
const LOOK_INTERVAL = 1;

/** Watches how much memory a worker holds. */
export class HeapWatch {
  #looked = -Infinity;
  #held = 0;

  /**
   * Looks after a call, unless it has looked less than a millisecond ago: what a call took that was
   * shorter than that is seen with the next one.
   *
   * @param limit How much memory the worker may hold, in bytes.
   * @returns How much it holds, when that is more.
   */
  excess(limit: number): number | undefined {
    const now = performance.now();
    if (now - this.#looked >= LOOK_INTERVAL) {
      this.#looked = now;
      // Of this isolate alone; buffers are external.
      const { heapUsed, external } = Deno.memoryUsage();
      this.#held = heapUsed + external;
    }
    return this.#held > limit ? this.#held : undefined;
  }
}

/** What each worker may start beneath it when nobody says otherwise. */
export const NESTED_WORKERS = 2;

/** The workers that one worker may start: all executors opened in its calls share them. */
export class WorkerBudget implements WorkerAllowance {
  /** How many there are altogether; each call may say it anew. */
  total = NESTED_WORKERS;
  #taken = 0;

  /** How many are left. */
  get left(): number {
    return Math.max(0, this.total - this.#taken);
  }

  /**
   * Takes workers.
   *
   * @param count How many, no more than are left.
   */
  take(count: number): void {
    this.#taken += count;
  }

  /**
   * Gives workers back.
   *
   * @param count How many.
   */
  give(count: number): void {
    this.#taken -= count;
  }
}
