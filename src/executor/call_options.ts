import type { Warn } from "../base/warning.ts";
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

/** A call on its way through an executor. */
export interface ObservedCall {
  /** Tells the call from the others of the executor. */
  readonly id: number;
  /** The task's name. */
  readonly task: string;
}

/** A call that is at a worker. */
export interface StartedCall extends ObservedCall {
  /** The worker's name. */
  readonly worker: string;
}

/** A call that is on its way no more. */
export interface FinishedCall extends ObservedCall {
  /**
   * How it ended: `"value"` with a result, `"error"` with what the task threw, `"died"` with its
   * worker, and `"dropped"` when it was cancelled, timed out, could not be sent or found no worker.
   */
  readonly outcome: "value" | "error" | "died" | "dropped";
  /** How long it was on its way, in milliseconds, its runs included. */
  readonly time: number;
}

/** A call that has failed and is run once more. */
export interface RetriedCall extends ObservedCall {
  /** Which attempt comes now: 2 at the first retry. */
  readonly attempt: number;
  /** Why the last one failed. */
  readonly error: unknown;
}

/** A worker of an executor. */
export interface ObservedWorker {
  /** The worker's name. */
  readonly worker: string;
}

/** A worker that is no more. */
export interface EndedWorker extends ObservedWorker {
  /** What happened, in words. */
  readonly reason: string;
}

/**
 * Who follows what an executor does. Each hook is optional; what one throws is warned of once and
 * harms no call. A call that the cache answers never gets so far. Of a map, items that travel together
 * (a chunk) are one call, which ends with `"value"` although some of its items have failed; those that
 * are then run again are calls of their own.
 */
export interface ExecutorObserver {
  /** A call waits for a worker. */
  queued?(call: ObservedCall): void;
  /** A call was sent to a worker; short ones are sent ahead, and may come back to the queue. */
  started?(call: StartedCall): void;
  /** A call has failed and is run once more. */
  retried?(call: RetriedCall): void;
  /** A call has ended. */
  finished?(call: FinishedCall): void;
  /** A worker is there. */
  workerStarted?(worker: ObservedWorker): void;
  /** A worker is no more. */
  workerEnded?(worker: EndedWorker): void;
}

/** Where `console` prints. */
export type OutputStream = "stdout" | "stderr";

/** What a task has printed by one call of a method of `console`. */
export interface WorkerOutputLine {
  /** The text, without the last end of line; it may have several lines. */
  readonly text: string;
  /** Where it would have gone. */
  readonly stream: OutputStream;
  /** The worker's name. */
  readonly worker: string;
  /** The name of the task that was submitted. */
  readonly task: string;
}

/** Takes what tasks print. */
export type OutputTaker = (line: WorkerOutputLine) => void;

/** What becomes of what tasks print by `console`. */
export type OutputOption = "inherit" | "label" | OutputTaker;

/**
 * Finds who takes what tasks print.
 *
 * @param output The option.
 * @param warn Told of what a function throws: it must end neither the program nor a call.
 * @returns Takes it, or `undefined` where it is printed as ever.
 * @throws {TypeError} When it is no such option.
 */
export function toOutputTaker(output: OutputOption, warn: Warn): OutputTaker | undefined {
  if (output === "inherit") return undefined;
  if (output === "label") return printLabelled;
  if (typeof output === "function") {
    return (line) => {
      try {
        output(line);
      } catch (error) {
        warn(`Cannot hand over what "${line.task}" has printed`, error);
      }
    };
  }
  throw new TypeError(
    "Cannot create an executor: `output` is one of inherit, label, or a function, " +
      `not ${JSON.stringify(output)}`,
  );
}

/** Says in front of each line which worker and which task have printed it. */
function printLabelled({ text, stream, worker, task }: WorkerOutputLine): void {
  const lines = text.split("\n").map((line) => `[${worker} ${task}] ${line}\n`).join("");
  const bytes = new TextEncoder().encode(lines);
  const file = Deno[stream];
  for (let written = 0; written < bytes.length;) written += file.writeSync(bytes.subarray(written));
}
