import { DeadlineError, QuiverError, WorkerDiedError } from "../../base/errors.ts";
import type { QuiverWarning } from "../../base/warning.ts";
import { delayOf, type RetryOptions, timesOf } from "../../task/comforts.ts";
import { isTransferred } from "../../worker/transfer.ts";
import type { DispatchedCall } from "./call.ts";

/** How many workers may leave one call alone before it fails. */
const MOST_UNANSWERED = 3;

/** What decides whether calls are run again. */
export interface RetryDecisionOptions {
  /** How a call is run again that does not say so itself. */
  readonly retries?: number | RetryOptions | undefined;
  /** Told when the user's own opinion throws. */
  readonly warn?: ((warning: QuiverWarning) => void) | undefined;
}

/** That a call is run again. */
export interface Retry {
  /** Why it has failed. */
  readonly error: unknown;
  /** How long it waits, in milliseconds. */
  readonly delay: number;
}

/**
 * Decides whether a call that has failed is run again.
 *
 * @param read Gives what it has failed with.
 * @returns How, if it is.
 */
export function decideRetry(
  call: DispatchedCall,
  read: () => unknown,
  { retries: usual = 0, warn = () => {} }: RetryDecisionOptions,
): Retry | undefined {
  const retries = call.retries ?? usual;
  if (call.retried >= timesOf(retries)) return undefined;
  // What it was given has moved away with it.
  if (isTransferred(call.request.args)) return undefined;
  const error = read();
  return mayRetry(error, retries, warn)
    ? { error, delay: delayOf(retries, call.attempt) }
    : undefined;
}

/**
 * Whether a call that failed may succeed when it is run once more: what a task throws may pass, and so
 * may the death of a worker. Errors of Quiver's own (a failed dependency, a cancellation, a result
 * that cannot travel, a missing module) would come again.
 *
 * @param error Why the call failed.
 * @returns Whether to run it again.
 */
function isRetriable(error: unknown): boolean {
  return !(error instanceof QuiverError) || error instanceof WorkerDiedError;
}

/**
 * Has an error say how often the call has run that failed with it, if that was more than once.
 *
 * @param error What it has failed with, which is nobody else's.
 * @returns The same, with `attempts`.
 */
export function noteAttempts(error: unknown, attempts: number | undefined): unknown {
  const isFree = attempts !== undefined && attempts > 1 && Error.isError(error) &&
    Object.isExtensible(error) && !("attempts" in error);
  return isFree ? Object.defineProperty(error, "attempts", { value: attempts }) : error;
}

/**
 * Notes that one more worker has taken up nothing of a call.
 *
 * @returns Why no other one is tried, when there were enough.
 */
export function noteUnanswered(call: DispatchedCall): WorkerDiedError | undefined {
  if (++call.unanswered < MOST_UNANSWERED) return undefined;
  const reason = `${MOST_UNANSWERED} workers in a row took up nothing: they may be blocked by ` +
    "what `init`, the module of the task or the call before leaves behind";
  return new WorkerDiedError(`Cannot run "${call.request.task}": ${reason}`, { reason });
}

/**
 * Tells whether a call that failed is to be run once more, for all but how often it was.
 *
 * @param error Why the call failed.
 * @param retries How it may be run again.
 * @param warn Told when the user's own opinion throws.
 * @returns Whether it is.
 */
export function mayRetry(
  error: unknown,
  retries: number | RetryOptions,
  warn: (warning: QuiverWarning) => void,
): boolean {
  const { when } = typeof retries === "number" ? {} : retries;
  if (when === undefined) return isRetriable(error);
  if (!isRetriable(error) && !(error instanceof DeadlineError)) return false;
  try {
    return when(error) === true;
  } catch (cause) {
    warn({
      message: "Cannot ask `when` of `retries`, which threw: the call is not tried again",
      cause,
    });
    return false;
  }
}
