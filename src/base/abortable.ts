/**
 * What ends a wait: a signal, and how one is made to look when it is asked.
 *
 * @module
 */

/** What is told of a cancellation: a function, or an object where a closure for each would cost. */
export type CancelListener = (() => void) | { handleEvent(): void };

/**
 * What a wait needs of an `AbortSignal`. A real one will do; one costs more to make than a short call
 * to run, so that futures have a lighter one until somebody asks for the real one.
 */
export interface CancelSignal {
  /** Whether the wait is to end. */
  readonly aborted: boolean;
  /** Why. */
  readonly reason: unknown;
  /** Tells a listener when the wait is to end. */
  addEventListener(type: "abort", listener: CancelListener): void;
  /** Tells it no more. */
  removeEventListener(type: "abort", listener: CancelListener): void;
}

/**
 * Waits for a promise, or for a signal, whichever comes first.
 *
 * @typeParam T What the promise gives.
 * @param promise The promise; it goes on when the signal comes first.
 * @param signal Ends the wait with its reason.
 * @returns What the promise gives.
 */
export async function abortable<T>(promise: Promise<T>, signal?: CancelSignal): Promise<T> {
  if (signal === undefined) return await promise;
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort);
  try {
    // In this order, as a signal that has aborted before comes first.
    return await Promise.race([aborted.promise, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/**
 * Waits for some time.
 *
 * @param milliseconds How long.
 * @param signal Ends the wait with its reason.
 */
export async function sleep(milliseconds: number, signal?: CancelSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  try {
    await abortable(promise, signal);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Has a signal look for its abort when it is read: code that never awaits hears no events.
 *
 * @param signal The signal; it is changed.
 * @param poll Aborts the signal if it is to be. Called anew while it does so.
 */
export function pollWhenRead(signal: AbortSignal, poll: () => void): AbortSignal {
  return Object.defineProperties(signal, {
    aborted: {
      configurable: true,
      get: () => {
        poll();
        return Reflect.get(AbortSignal.prototype, "aborted", signal);
      },
    },
    throwIfAborted: {
      configurable: true,
      value: () => {
        poll();
        AbortSignal.prototype.throwIfAborted.call(signal);
      },
    },
  });
}
