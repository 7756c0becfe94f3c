/**
 * Waits for a promise, or for a signal, whichever comes first.
 *
 * @typeParam T What the promise gives.
 * @param promise The promise; it goes on when the signal comes first.
 * @param signal Ends the wait with its reason.
 * @returns What the promise gives.
 */
export async function abortable<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (signal === undefined) return await promise;
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
