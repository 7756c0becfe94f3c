import { DeadlineError, QuiverError, WorkerDiedError } from "../base/errors.ts";
import type { QuiverWarning } from "../base/warning.ts";
import type { RetryOptions } from "./comforts.ts";

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
