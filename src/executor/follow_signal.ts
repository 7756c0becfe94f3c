import { Future } from "../task/future.ts";

/**
 * Gives a call up when a signal aborts, waiting or running, with the signal's reason.
 *
 * @param future The call.
 * @param signal The signal.
 */
export function followSignal(future: Future<unknown>, signal: AbortSignal): void {
  const abort = () => future.abort(signal.reason);
  signal.addEventListener("abort", abort);
  future.onDone(() => signal.removeEventListener("abort", abort));
}

/**
 * A call that was given up before it was made: nothing is looked up and no worker starts.
 *
 * @typeParam R What the call would have returned.
 * @param name What the call is named in messages.
 * @param reason Why it was given up.
 * @returns The future, which has rejected.
 */
export function toAborted<R>(name: string, reason: unknown): Future<R> {
  const future = new Future<R>(name, () => new Promise<R>(() => {}));
  future.abort(reason);
  return future;
}
