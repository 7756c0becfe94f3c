import type { OnAbort } from "../task/call_status.ts";

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

const OPTIONS: ReadonlySet<string> = new Set([
  "signal",
  "deadline",
  "onAbort",
  "gracePeriod",
  "priority",
  "retries",
]);

const ON_ABORT: ReadonlySet<string> = new Set(["terminate", "detach"]);

/** Timers count no further. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

/**
 * Checks options by name.
 *
 * @param options The options.
 * @throws {TypeError} When an option is unknown or of the wrong type.
 * @throws {RangeError} When a number is out of range.
 */
export function checkCallOptions(options: CallOptions): void {
  for (const name of Object.keys(options)) {
    if (OPTIONS.has(name)) continue;
    throw new TypeError(
      `Cannot submit with options: "${name}" is not an option; ` +
        `the options are ${[...OPTIONS].join(", ")}`,
    );
  }
  const { signal, deadline, onAbort, gracePeriod, priority = 0, retries = 0 } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError("Cannot submit with options: `signal` is not an AbortSignal");
  }
  if (onAbort !== undefined && !ON_ABORT.has(onAbort)) {
    throw new TypeError(
      `Cannot submit with options: \`onAbort\` is one of ${[...ON_ABORT].join(", ")}, ` +
        `not ${JSON.stringify(onAbort)}`,
    );
  }
  checkTime("deadline", deadline);
  checkTime("gracePeriod", gracePeriod);
  if (!Number.isSafeInteger(priority)) {
    throw new RangeError(
      `Cannot submit with options as \`priority\` must be an integer: ${priority}`,
    );
  }
  if (!Number.isSafeInteger(retries) || retries < 0) {
    throw new RangeError(
      `Cannot submit with options as \`retries\` must be an integer that is not negative: ${retries}`,
    );
  }
}

function checkTime(name: string, time: number | undefined): void {
  if (time === undefined || time === Infinity) return;
  if (Number.isFinite(time) && time >= 0 && time <= LONGEST_TIMEOUT) return;
  throw new RangeError(
    `Cannot submit with options as \`${name}\` must be Infinity or from 0 to ${LONGEST_TIMEOUT} ` +
      `milliseconds: ${time}`,
  );
}
