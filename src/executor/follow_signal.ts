import type { Future } from "../task/future.ts";

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
