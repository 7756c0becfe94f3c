import { Future } from "../task/future.ts";

/** What a wait waits for. */
export type WaitUntil = "all" | "first" | "firstError";

/** Options of {@linkcode wait}. */
export interface WaitOptions {
  /**
   * When to return: when `"all"` have settled, when the `"first"` has, or at the `"firstError"`, which
   * is when all have settled if none fails. A cancelled future is no error.
   *
   * @default {"all"}
   */
  until?: WaitUntil;
  /**
   * How long to wait, in milliseconds; then the futures are given as they are.
   *
   * @default {Infinity}
   */
  timeout?: number;
  /** Ends the wait with the signal's reason. */
  signal?: AbortSignal;
}

/** What {@linkcode wait} gives. */
export interface WaitResult<F> {
  /** Those that have settled, whether they failed or not, in that order. */
  readonly done: Set<F>;
  /** The others. */
  readonly pending: Set<F>;
}

const UNTIL: readonly WaitUntil[] = ["all", "first", "firstError"];

/**
 * Waits for several futures at once, as `concurrent.futures.wait` does, and tells which have settled.
 * The wait never fails because one of them does, and their failures count as handled.
 *
 * @typeParam F A future or a promise.
 * @param futures The futures; one that is there twice counts once.
 * @param options What to wait for, and how long.
 * @returns The futures that have settled, and the others.
 * @throws {TypeError} When `until` is unknown, or something is no future.
 * @throws {RangeError} When `timeout` is no time.
 * @throws The signal's reason.
 *
 * @example Take what comes first
 * ```ts
 * import { Executor, task, wait } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const same = task(import.meta, (n: number) => n, { name: "same" });
 *
 * await using executor = new Executor({ workerType: "inline" });
 * const never = new Promise<number>(() => {});
 * const quick = executor.submit(same, 7);
 * const { done, pending } = await wait([never, quick], { until: "first" });
 * assertEquals([...done], [quick]);
 * assertEquals([...pending], [never]);
 * ```
 */
export async function wait<F extends PromiseLike<unknown>>(
  futures: Iterable<F>,
  options: WaitOptions = {},
): Promise<WaitResult<F>> {
  const { until = "all" } = options;
  if (!UNTIL.includes(until)) {
    throw new TypeError(
      `Cannot wait: \`until\` is one of ${UNTIL.join(", ")}, not ${JSON.stringify(until)}`,
    );
  }
  const pending = collectFutures(futures, "wait");
  const done = new Set<F>();
  const { promise: enough, resolve, reject } = Promise.withResolvers<void>();
  let returned = false;
  const settle = (future: F, failed: boolean) => {
    // What was returned is a state, and does not change any more.
    if (returned) return;
    pending.delete(future);
    done.add(future);
    if (pending.size === 0 || until === "first") resolve();
    if (until === "firstError" && failed && !isCancelled(future)) resolve();
  };
  using _limits = watchLimits(options, { timedOut: resolve, aborted: reject });
  if (pending.size === 0) resolve();
  for (const future of pending) {
    future.then(() => settle(future, false), () => settle(future, true));
  }
  try {
    await enough;
  } finally {
    returned = true;
  }
  return { done, pending };
}

function isCancelled(future: unknown): boolean {
  return future instanceof Future && future.state === "cancelled";
}

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
