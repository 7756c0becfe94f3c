import type { OnAbort } from "../task/future.ts";

/** How a call is made; a view of an executor makes all its calls so (`executor.with(options)`). */
export interface CallOptions {
  /**
   * Gives the call up, whether it waits or runs, with the signal's reason. A timeout by
   * `AbortSignal.timeout()` counts from the submission; `deadline` counts from the start.
   */
  signal?: AbortSignal;
  /**
   * How long the body may run, in milliseconds from its start; then the call is given up with a
   * `DeadlineError`. Waiting for a worker and importing the task's module do not count.
   *
   * @default {Infinity}
   */
  deadline?: number;
  /**
   * What happens to a call that is given up while it runs. Its future rejects at once and its signal
   * (`currentSignal()`) aborts either way. A worker that still runs it after `gracePeriod` counts as
   * lost: it takes no other call, and another worker may take its place.
   *
   * - `"detach"` lets the call go on to its end, unseen; its result still goes to the cache. Then the
   *   worker takes calls again, or ends when another has taken its place.
   * - `"terminate"` ends the worker. A `"process"` worker is killed. A `"web"` worker that is busy
   *   cannot be stopped by anybody: it stays lost until its code awaits or returns. An `"inline"` one
   *   stays lost until the call has ended.
   *
   * @default {"terminate" for process workers, else "detach"}
   */
  onAbort?: OnAbort;
  /**
   * How long a call that is given up may take to end by itself before `onAbort` applies, in
   * milliseconds; its worker is kept for the next calls if it does.
   *
   * @default {0}
   */
  gracePeriod?: number;
  /**
   * Calls of a higher priority leave the queue first; any integer.
   *
   * @default {0}
   */
  priority?: number;
  /**
   * How many times the call is tried again after it failed.
   *
   * @default {0}
   */
  retries?: number;
}
