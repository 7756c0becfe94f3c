import type { WorkerAllowance } from "../scope/scope.ts";

/** What each worker may start beneath it when nobody says otherwise. */
export const NESTED_WORKERS = 2;

/** The workers that one worker may start: all executors opened in its calls share them. */
export class WorkerLedger implements WorkerAllowance {
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
