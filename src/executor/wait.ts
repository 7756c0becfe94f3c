import { ANYTHING, checkOptions, oneOf, type OptionRules, TIMEOUT } from "../base/check_options.ts";
import { giveUpOn, GiveUpTimer } from "../base/abortable.ts";
import { findCall, Future, type RaisableCall } from "../task/future.ts";

/** Options of {@linkcode wait}. */
export interface WaitOptions {
  /**
   * When to return: when `"all"` have settled, when the `"first"` has, or at the `"firstError"`, which
   * is when all have settled if none fails. A cancelled future is no error.
   *
   * @default {"all"}
   */
  until?: "all" | "first" | "firstError";
  /**
   * How long to wait, in milliseconds; then the futures are given as they are.
   *
   * @default {Infinity}
   */
  timeout?: number;
  /** Ends the wait with the signal's reason. */
  signal?: AbortSignal;
}

const LIMIT_RULES: OptionRules<AsCompletedOptions> = { timeout: TIMEOUT, signal: ANYTHING };
const WAIT_RULES: OptionRules<WaitOptions> = {
  until: oneOf(["all", "first", "firstError"]),
  ...LIMIT_RULES,
};

/**
 * Waits for several futures at once, as `concurrent.futures.wait` does, and tells which have settled.
 * The wait never fails because one of them does, and their failures count as handled.
 *
 * @typeParam F A future or a promise.
 * @param futures The futures; one that is there twice counts once.
 * @param options What to wait for, and how long.
 * @returns The futures that have settled, whether they failed or not, in that order, and the others.
 * @throws {TypeError} When an option or `until` is unknown, or something is no future.
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
): Promise<{ readonly done: Set<F>; readonly pending: Set<F> }> {
  checkOptions("wait", options, WAIT_RULES);
  const { until = "all" } = options;
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
interface WaitLimits {
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
interface WaitLimitObserver {
  /** The time is over. */
  timedOut(): void;
  /** The signal was aborted. */
  aborted(reason: unknown): void;
}

/**
 * Watches the limits of a wait.
 *
 * @param limits How long to wait.
 * @param observer Told when the wait is to end; at once when it is over already.
 * @returns Ends the watch.
 */
function watchLimits(
  { timeout = Infinity, signal }: WaitLimits,
  observer: WaitLimitObserver,
): Disposable {
  if (signal?.aborted) observer.aborted(signal.reason);
  const aborting = signal && giveUpOn(signal, (reason) => observer.aborted(reason));
  const timer = new GiveUpTimer(timeout, () => observer.timedOut());
  return {
    [Symbol.dispose]: () => {
      timer.clear();
      aborting?.[Symbol.dispose]();
    },
  };
}

/**
 * Collects what can be waited for, each once.
 *
 * @typeParam F A future or a promise.
 * @param verb What is done with them, for errors.
 * @returns The futures in their order.
 * @throws {TypeError} When one of them is none.
 */
function collectFutures<F>(futures: Iterable<F>, verb: string): Set<F> {
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

/** Options of {@linkcode asCompleted}. */
export interface AsCompletedOptions {
  /**
   * How long to wait for all, in milliseconds from the call on; then the iteration throws a
   * `DOMException` named `TimeoutError`, after those that have settled.
   *
   * @default {Infinity}
   */
  timeout?: number;
  /** Ends the iteration with the signal's reason, after those that have settled. */
  signal?: AbortSignal;
}

/**
 * A future that has settled, and how. (The future itself would not do: to the types, what an async
 * iterable gives has been awaited.)
 */
type Completion<F> = PromiseSettledResult<Awaited<F>> & { readonly future: F };

/**
 * Gives futures in the order in which they settle, as `concurrent.futures.as_completed` does: first
 * those that have settled already, and each once. One that fails does not end the iteration, and its
 * failure counts as handled.
 *
 * @typeParam F A future or a promise.
 * @param futures The futures.
 * @param options How long to wait.
 * @returns The futures, and how each has settled.
 * @throws {TypeError} When an option is unknown, or something is no future.
 * @throws {RangeError} When `timeout` is no time.
 *
 * @example Use results as they come
 * ```ts
 * import { asCompleted, Executor, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const same = task(import.meta, (n: number) => n, { name: "same" });
 *
 * await using executor = new Executor({ workerType: "inline" });
 * const results: number[] = [];
 * for await (const { future } of asCompleted([1, 2, 3].map((n) => executor.submit(same, n)))) {
 *   results.push(await future);
 * }
 * assertEquals(results.sort(), [1, 2, 3]);
 * ```
 */
export function asCompleted<F extends PromiseLike<unknown>>(
  futures: Iterable<F>,
  options: AsCompletedOptions = {},
): AsyncIterableIterator<
  PromiseSettledResult<Awaited<F>> & { readonly future: F },
  void,
  void
> {
  checkOptions("iterate as completed", options, LIMIT_RULES);
  return new Completions(collectFutures(futures, "iterate as completed"), options);
}

class Completions<F extends PromiseLike<unknown>>
  implements AsyncIterableIterator<Completion<F>, void, void> {
  readonly #settled: Completion<F>[] = [];
  readonly #limits: Disposable;
  #pending: number;
  #end: { readonly reason: unknown } | undefined;
  #changed = Promise.withResolvers<void>();

  constructor(futures: ReadonlySet<F>, options: AsCompletedOptions) {
    const end = (reason: unknown) => {
      this.#end ??= { reason };
      this.#changed.resolve();
    };
    this.#limits = watchLimits(options, {
      aborted: end,
      timedOut: () => {
        const state = `${this.#pending} of ${futures.size} futures are pending`;
        const text = `Cannot wait longer than ${options.timeout} ms: ${state}`;
        end(new DOMException(text, "TimeoutError"));
      },
    });
    this.#pending = futures.size;
    const settle = (completion: Completion<F>) => {
      this.#pending--;
      this.#settled.push(completion);
      this.#changed.resolve();
    };
    for (const future of futures) {
      future.then(
        // What a future is fulfilled with is what awaiting it gives.
        (value) => settle({ future, status: "fulfilled", value: value as Awaited<F> }),
        (reason) => settle({ future, status: "rejected", reason }),
      );
    }
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Completion<F>, void>> {
    // Those that had settled before are told of one tick after the call.
    await undefined;
    for (;;) {
      const value = this.#settled.shift();
      if (value !== undefined) return { value, done: false };
      if (this.#pending === 0) return await this.return();
      if (this.#end !== undefined) {
        this.#limits[Symbol.dispose]();
        throw this.#end.reason;
      }
      this.#changed = Promise.withResolvers();
      await this.#changed.promise;
    }
  }

  return(): Promise<IteratorResult<Completion<F>, void>> {
    this.#limits[Symbol.dispose]();
    this.#pending = 0;
    this.#settled.length = 0;
    return Promise.resolve({ value: undefined, done: true });
  }
}

/**
 * Groups futures by the order in which they are done.
 *
 * @typeParam T What a future gives.
 * @param size How many make a group.
 * @throws {RangeError} When the size is none.
 */
export function batchFutures<T>(futures: Iterable<PromiseLike<T>>, size: number): Future<T[]>[] {
  if (!Number.isInteger(size) || size < 1) {
    throw new RangeError(
      `Cannot batch futures as \`size\` must be a positive integer: ${String(size)}`,
    );
  }
  const members = collectFutures(futures, "batch futures");
  const groups = Array.from(
    { length: Math.ceil(members.size / size) },
    () => Promise.withResolvers<T[]>(),
  );
  const values: T[] = [];
  const failures: unknown[] = [];
  let pending = members.size;
  let next = 0;
  const settle = () => {
    pending--;
    if (values.length === size) groups[next++]?.resolve(values.splice(0));
    if (pending > 0) return;
    for (const group of groups.slice(next)) {
      const failed = failures.splice(0, size - values.length);
      if (failed.length > 0) group.reject(failed[0]);
      else group.resolve([...values]);
      values.length = 0;
    }
  };
  for (const member of members) {
    member.then((value) => {
      values.push(value);
      settle();
    }, (reason) => {
      failures.push(reason);
      settle();
    });
  }
  // Any of them may be in any group.
  const all: RaisableCall = {
    raise: (priority) => {
      for (const member of members) findCall(member)?.raise(priority);
    },
  };
  return groups.map(({ promise }, index) =>
    new Future(`batch ${index + 1}`, (status) => {
      status.waitFor(all);
      return promise;
    })
  );
}
