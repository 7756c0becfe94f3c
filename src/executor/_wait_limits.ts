/** How long to wait. */
export interface WaitLimits {
  /**
   * How long to wait, in milliseconds.
   *
   * @default {Infinity}
   */
  timeout?: number;
  /** Ends the wait with the signal's reason. */
  signal?: AbortSignal;
}

/** Told when a wait is to end. */
export interface WaitLimitObserver {
  /** The time is over. */
  timedOut(): void;
  /** The signal was aborted. */
  aborted(reason: unknown): void;
}

/** Timers count no further. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

/**
 * Watches the limits of a wait.
 *
 * @param limits How long to wait.
 * @param observer Told when the wait is to end; at once when it is over already.
 * @returns Ends the watch.
 * @throws {RangeError} When `timeout` is no time.
 */
export function watchLimits(
  { timeout = Infinity, signal }: WaitLimits,
  observer: WaitLimitObserver,
): Disposable {
  const timed = timeout !== Infinity;
  if (timed && !(timeout >= 0 && timeout <= LONGEST_TIMEOUT)) {
    throw new RangeError(
      "Cannot wait as `timeout` must be Infinity or a number of milliseconds from 0 to " +
        `${LONGEST_TIMEOUT}: current value is ${String(timeout)}`,
    );
  }
  const abort = () => observer.aborted(signal?.reason);
  if (signal?.aborted) abort();
  else signal?.addEventListener("abort", abort);
  const timer = timed ? setTimeout(() => observer.timedOut(), timeout) : undefined;
  return {
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    },
  };
}

/**
 * Collects what can be waited for, each once.
 *
 * @typeParam F A future or a promise.
 * @param futures The futures.
 * @param verb What is done with them, for errors.
 * @returns The futures in their order.
 * @throws {TypeError} When one of them is none.
 */
export function collectFutures<F>(futures: Iterable<F>, verb: string): Set<F> {
  const collected = new Set<F>();
  let index = 0;
  for (const future of futures) {
    if (typeof future !== "object" || future === null || !("then" in future)) {
      throw new TypeError(
        `Cannot ${verb}: futures[${index}] is neither a future nor a promise: ${String(future)}`,
      );
    }
    collected.add(future);
    index++;
  }
  return collected;
}
