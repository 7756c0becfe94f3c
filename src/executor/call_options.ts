import type { RetryOptions } from "../task/comforts.ts";

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
   * - `"terminate"` ends the worker. A `"process"` worker is killed together with what its calls have
   *   started (its process group); on Windows, and where the executor is in a Web Worker, alone. A `"web"`
   *   worker that is busy cannot be stopped by anybody: it stays lost until its code awaits or returns. An
   *   `"inline"` one stays lost until the call has ended.
   *
   * @default {"terminate" for process workers, else "detach"}
   */
  onAbort?: "terminate" | "detach";
  /**
   * How long a call that is given up may take to end by itself before `onAbort` applies, in
   * milliseconds: a body that listens to its signal, or looks at it, can clean up after itself in its
   * `finally` blocks. Its worker is kept for the next calls if it does. With 0 nothing is waited for.
   *
   * @default {1000}
   */
  gracePeriod?: number;
  /**
   * Calls of a higher priority leave the queue first; any integer. What a call waits for is as urgent as
   * itself: the calls of futures among its arguments, the same call when that is computed already, and
   * calls that it makes.
   *
   * @default {0}
   */
  priority?: number;
  /**
   * How many times the call is tried again after it failed, or how: with waits between, say.
   *
   * @default {what its task says, else the executor}
   */
  retries?: number | RetryOptions;
}

/**
 * How the calls that reached workers have ended. Of a map, each item is a call; those that travel
 * together (a chunk) count each with the mean of their times.
 */
export interface CallStatistics {
  /** Calls that a worker has computed. */
  readonly completed: number;
  /** Calls that a worker ran in vain: the task threw, or the worker died. */
  readonly failed: number;
  /** Calls that were run once more after they had failed, each time counted. */
  readonly retried: number;
  /**
   * How long calls ran on their workers, in milliseconds: half of them no longer than `p50`, nine in ten
   * no longer than `p90`, all but one in a hundred no longer than `p99`. Absent as long as none has run.
   */
  readonly runTime?: { readonly p50: number; readonly p90: number; readonly p99: number };
  /** The same of how long calls were on their way beside that, mostly in the queue. */
  readonly waitTime?: { readonly p50: number; readonly p90: number; readonly p99: number };
}

/** A call on its way through an executor. */
export interface ObservedCall {
  /** Tells the call from the others of the executor. */
  readonly id: number;
  /** The task's name. */
  readonly task: string;
}

/**
 * Who follows what an executor does. Each hook is optional; what one throws is warned of once and
 * harms no call. A call that the cache answers never gets so far. Of a map, each item is a call, as in the
 * statistics; that one has begun which travels behind others (in a chunk) is told when its worker next
 * says how some have ended.
 */
export interface ExecutorObserver {
  /** A call waits for a worker. */
  queued?(call: ObservedCall): void;
  /**
   * A call begins on a worker, once for each attempt. To be told at once, calls cost a message more. Of
   * short items of a map that are sent together, one is told of at a time, and the next when that has
   * ended, as far as the worker has told; `statistics()` counts the same.
   */
  started?(call: ObservedCall & { readonly worker: string }): void;
  /** A call has failed and is run once more: which attempt comes now (2 at the first retry), and why. */
  retried?(call: ObservedCall & { readonly attempt: number; readonly error: unknown }): void;
  /**
   * A call has ended: `"value"` with a result, `"error"` with what the task threw, `"died"` with its
   * worker, and `"dropped"` when it was cancelled, timed out, could not be sent or found no worker. The
   * time that it was on its way, in milliseconds, includes its runs.
   */
  finished?(
    call: ObservedCall & {
      readonly outcome: "value" | "error" | "died" | "dropped";
      readonly time: number;
    },
  ): void;
  /** A worker is there. */
  workerStarted?(worker: { readonly worker: string }): void;
  /** A worker is no more: why it was ended, and what happened, in words. */
  workerEnded?(
    worker: { readonly worker: string; readonly ending: WorkerEnding; readonly reason: string },
  ): void;
}

/**
 * Why a worker is no more:
 *
 * - `"idle"` it had no work for `idleTimeout`
 * - `"retired"` its `retire` task wanted it so, or has failed
 * - `"tasks"` it had run as many calls as `maxTasksPerWorker` says
 * - `"memory"` it held more memory after a call than `maxHeapBytes` says
 * - `"surplus"` there were more workers than there may be, after `resize()`, or as another had taken its
 *   place while it ran a call that was given up
 * - `"replaced"` another one does its work sooner, or can load a module that this one may not read
 * - `"shutdown"` the executor was shut down
 * - `"killed"` it was ended while it may have run something: by `terminate()`, by `onAbort`, or as it did
 *   not end in the grace period
 * - `"crashed"` it ended by itself, whatever its calls are told: it exited, was killed by the system, ran
 *   out of memory, or did not catch an error
 * - `"unresponsive"` it ran no call, and took up nothing that it was sent for 5 seconds, or read no message
 *   for 30 while it loaded what a call needs, as for its first one: what an earlier call had left behind,
 *   or the task's module, never came back, or its process was stopped
 */
export type WorkerEnding =
  | "idle"
  | "retired"
  | "tasks"
  | "memory"
  | "surplus"
  | "replaced"
  | "shutdown"
  | "killed"
  | "crashed"
  | "unresponsive";

/** A call that is on its way no more. */
export type FinishedCall = Parameters<NonNullable<ExecutorObserver["finished"]>>[0];

/** What a task has printed by one call of a method of `console`. */
export interface WorkerOutputLine {
  /** The text, without the last end of line; it may have several lines. */
  readonly text: string;
  /** Where it would have gone. */
  readonly stream: "stdout" | "stderr";
  /** The worker's name. */
  readonly worker: string;
  /** The name of the task that was submitted. */
  readonly task: string;
}

/** Takes what tasks print. */
export type OutputTaker = (line: WorkerOutputLine) => void;

/** What becomes of what tasks print by `console`. */
export type OutputOption = "inherit" | "label" | OutputTaker;
