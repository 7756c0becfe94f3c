import { WorkerDiedError } from "../../base/errors.ts";
import type { QuiverWarning } from "../../base/warning.ts";
import { delayOf, type RetryOptions, timesOf } from "../../task/comforts.ts";
import { mayRetry } from "../../task/retries.ts";
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
