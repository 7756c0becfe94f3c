import { giveUpOn, GiveUpTimer, type SettleListener, settlingOf } from "../base/abortable.ts";
import {
  checkOptions,
  COUNT,
  oneOf,
  type OptionRules,
  SIGNAL,
  TIMEOUT,
} from "../base/check_options.ts";
import { type CallTracker, findCall, Future, type RaisableCall } from "../task/future.ts";

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

const LIMIT_RULES: OptionRules<AsCompletedOptions> = { timeout: TIMEOUT, signal: SIGNAL };
const WAIT_RULES: OptionRules<WaitOptions> = {
  until: oneOf(["all", "first", "firstError"]),
  ...LIMIT_RULES,
};

/**
 * Waits for several futures at once, as `concurrent.futures.wait` does, and tells which have settled.
 * The wait never fails because one of them does, and their failures count as handled. Each wait looks at
 * all futures that it is given: to take thousands one after another, {@linkcode asCompleted} is quicker.
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
  return await FutureSet.of(futures).wait(options);
}

/**
 * For so many ticks after a wait has returned, a wait for the others goes on with what it had: whoever
 * waits in a loop does so at once, and subscribes to each future once, and not in each round.
 */
const REST_TICKS = 32;

/** Futures that are waited for, once or several times in a row. */
class FutureSet<F extends PromiseLike<unknown>> implements SettleListener {
  /** Those of the last wait, while another may go on with them. */
  static #resting: FutureSet<PromiseLike<unknown>> | undefined;

  /** In the order in which they were given. */
  readonly #pending: Set<F>;
  /** Those of them that have settled since the last wait. */
  #settled: F[] = [];
  /** Whether one of those has failed. */
  #failed = false;
  #subscribed = false;
  #until: NonNullable<WaitOptions["until"]> = "all";
  #enough = Promise.withResolvers<void>();
  #ticksLeft = 0;
  readonly #tick = (): void => {
    if (FutureSet.#resting !== this) this.#ticksLeft = 0;
    else if (--this.#ticksLeft === 0) this.#leave();
    if (this.#ticksLeft > 0) queueMicrotask(this.#tick);
  };

  constructor(pending: Set<F>) {
    this.#pending = pending;
  }

  /**
   * Collects futures.
   *
   * @throws {TypeError} When one of them is none.
   */
  static of<F extends PromiseLike<unknown>>(futures: Iterable<F>): FutureSet<F> {
    const resting = FutureSet.#resting;
    FutureSet.#resting = undefined;
    // Its futures are those that were given.
    if (resting !== undefined) {
      if (resting.#consistsOf(futures)) return resting as FutureSet<F>;
      resting.#leave();
    }
    return new FutureSet(collectFutures(futures, "wait"));
  }

  settled({ status }: PromiseSettledResult<unknown>, source: PromiseLike<unknown>): void {
    // It is one of those that this listens to.
    const future = source as F;
    this.#settled.push(future);
    this.#failed ||= status === "rejected" && !isCancelled(future);
    this.#check();
  }

  /**
   * Waits.
   *
   * @returns The futures as they are then.
   * @throws The signal's reason.
   */
  async wait(options: WaitOptions): Promise<{ readonly done: Set<F>; readonly pending: Set<F> }> {
    const { until = "all" } = options;
    this.#until = until;
    const { promise, resolve, reject } = this.#enough = Promise.withResolvers();
    using _limits = watchLimits(options, { timedOut: resolve, aborted: reject });
    this.#subscribe();
    this.#check();
    try {
      await promise;
    } catch (reason) {
      this.#leave();
      throw reason;
    }
    const done = new Set(this.#settled);
    for (const future of done) this.#pending.delete(future);
    this.#settled = [];
    this.#failed = false;
    this.#rest();
    // What is returned is a state, and does not change any more.
    return { done, pending: new Set(this.#pending) };
  }

  #check(): void {
    const { length } = this.#settled;
    const until = this.#until;
    if (
      length === this.#pending.size || until === "first" && length > 0 ||
      until === "firstError" && this.#failed
    ) this.#enough.resolve();
  }

  #subscribe(): void {
    if (this.#subscribed) return;
    this.#subscribed = true;
    for (const future of this.#pending) settlingOf(future).subscribe(this);
  }

  #leave(): void {
    if (FutureSet.#resting === this) FutureSet.#resting = undefined;
    for (const future of this.#pending) settlingOf(future).unsubscribe(this);
  }

  #rest(): void {
    const resting = FutureSet.#resting;
    if (resting !== undefined) resting.#leave();
    if (this.#pending.size === 0) return;
    FutureSet.#resting = this;
    if (this.#ticksLeft === 0) queueMicrotask(this.#tick);
    this.#ticksLeft = REST_TICKS;
  }

  /** Whether futures are these, in this order. */
  #consistsOf(futures: Iterable<PromiseLike<unknown>>): boolean {
    if (futures instanceof Set) {
      if (futures.size !== this.#pending.size) return false;
    } else if (!Array.isArray(futures) || futures.length !== this.#pending.size) return false;
    const own = this.#pending.values();
    for (const future of futures) if (own.next().value !== future) return false;
    return true;
  }
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
  if (!(Symbol.iterator in Object(futures))) {
    throw new TypeError(`Cannot ${verb}: the futures are not iterable, but ${String(futures)}`);
  }
  // A set is copied many times as fast as it is filled.
  const copied = futures instanceof Set;
  const collected = new Set(copied ? futures : []);
  let index = 0;
  for (const future of futures) {
    if (typeof future !== "object" || future === null || !("then" in future)) {
      throw new TypeError(
        `Cannot ${verb}: futures[${index}] is neither a future nor a promise: ${String(future)}`,
      );
    }
    if (!copied) collected.add(future);
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
  implements AsyncIterableIterator<Completion<F>, void, void>, SettleListener {
  /** Those that have settled and were not given yet, behind those that were. */
  #settled: (Completion<F> | undefined)[] = [];
  #given = 0;
  readonly #pending: Set<F>;
  readonly #limits: Disposable;
  #end: { readonly reason: unknown } | undefined;
  #changed: PromiseWithResolvers<void> | undefined;

  constructor(futures: Set<F>, options: AsCompletedOptions) {
    const { size } = futures;
    this.#pending = futures;
    this.#limits = watchLimits(options, {
      aborted: (reason) => this.#stop(reason),
      timedOut: () => {
        const state = `${this.#pending.size} of ${size} futures are pending`;
        const text = `Cannot wait longer than ${options.timeout} ms: ${state}`;
        this.#stop(new DOMException(text, "TimeoutError"));
      },
    });
    // Whoever has settled before is given though the wait has ended, too.
    for (const future of futures) settlingOf(future).subscribe(this);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  settled(outcome: PromiseSettledResult<unknown>, source: PromiseLike<unknown>): void {
    // It is one of those that this listens to, and what it is fulfilled with is what awaiting it gives.
    const future = source as F;
    this.#pending.delete(future);
    this.#settled.push({ ...outcome as PromiseSettledResult<Awaited<F>>, future });
    this.#announce();
  }

  async next(): Promise<IteratorResult<Completion<F>, void>> {
    // Those that had settled before are told of one tick after the call.
    await undefined;
    for (;;) {
      const value = this.#take();
      if (value !== undefined) return { value, done: false };
      if (this.#end !== undefined) {
        this.#leave();
        throw this.#end.reason;
      }
      if (this.#pending.size === 0) return await this.return();
      await (this.#changed ??= Promise.withResolvers()).promise;
    }
  }

  return(): Promise<IteratorResult<Completion<F>, void>> {
    this.#leave();
    this.#pending.clear();
    this.#settled.length = 0;
    this.#end = undefined;
    this.#announce();
    return Promise.resolve({ value: undefined, done: true });
  }

  #take(): Completion<F> | undefined {
    const taken = this.#settled[this.#given];
    if (taken === undefined) return undefined;
    // Taken out one by one, each would move all that are behind it.
    this.#settled[this.#given++] = undefined;
    if (2 * this.#given < this.#settled.length) return taken;
    this.#settled = this.#settled.slice(this.#given);
    this.#given = 0;
    return taken;
  }

  #stop(reason: unknown): void {
    this.#end ??= { reason };
    this.#announce();
  }

  /** Nothing is waited for any more. */
  #leave(): void {
    this.#limits[Symbol.dispose]();
    for (const future of this.#pending) settlingOf(future).unsubscribe(this);
  }

  #announce(): void {
    this.#changed?.resolve();
    this.#changed = undefined;
  }
}

/**
 * Groups futures by the order in which they are done.
 *
 * @typeParam T What a future gives.
 * @param size How many make a group.
 * @param tracker Keeps count of the groups.
 * @throws {RangeError} When the size is none.
 */
export function batchFutures<T>(
  futures: Iterable<PromiseLike<T>>,
  size: number,
  tracker: CallTracker,
): Future<T[]>[] {
  checkOptions("batch futures", { size: size === undefined ? NaN : size }, { size: COUNT });
  const grouping = new Grouping<T>(collectFutures(futures, "batch futures"), size);
  return grouping.promises().map((promise, index) =>
    new Future(`batch ${index + 1}`, (status) => {
      status.addEventListener("abort", () => grouping.leave(index));
      status.waitFor(grouping);
      return promise;
    }, tracker)
  );
}

/** Groups under way. */
class Grouping<T> implements SettleListener, RaisableCall {
  /** Those that are given are let go of. */
  readonly #groups: (PromiseWithResolvers<T[]> | undefined)[];
  readonly #size: number;
  readonly #pending: Set<PromiseLike<T>>;
  readonly #failures: unknown[] = [];
  #values: T[] = [];
  #next = 0;
  /** That of the most urgent group. */
  #priority = -Infinity;
  /** How many groups somebody waits for. */
  #wanted: number;

  constructor(pending: Set<PromiseLike<T>>, size: number) {
    this.#pending = pending;
    this.#size = size;
    this.#wanted = Math.ceil(pending.size / size);
    this.#groups = Array.from({ length: this.#wanted }, () => Promise.withResolvers<T[]>());
    for (const member of pending) settlingOf(member).subscribe(this);
  }

  settled(outcome: PromiseSettledResult<unknown>, source: PromiseLike<unknown>): void {
    // It is one of those that this listens to.
    this.#pending.delete(source as PromiseLike<T>);
    if (outcome.status === "fulfilled") this.#values.push(outcome.value as T);
    else this.#failures.push(outcome.reason);
    if (this.#values.length === this.#size) this.#give(this.#values);
    if (this.#pending.size === 0) this.#giveLast();
  }

  /** Any member may be in any group. */
  raise(priority: number): void {
    if (priority <= this.#priority) return;
    this.#priority = priority;
    for (const member of this.#pending) findCall(member)?.raise(priority);
  }

  /** All groups, before any is given. */
  promises(): Promise<T[]>[] {
    return this.#groups.flatMap((group) => group === undefined ? [] : [group.promise]);
  }

  /** A group is given up; when all are that were not given, nobody waits any more. */
  leave(index: number): void {
    if (this.#groups[index] === undefined) return;
    this.#groups[index] = undefined;
    this.#wanted--;
    this.#leaveAll();
  }

  #leaveAll(): void {
    if (this.#wanted > 0) return;
    for (const member of this.#pending) settlingOf(member).unsubscribe(this);
    this.#pending.clear();
    this.#values = [];
  }

  #give(values: T[]): void {
    this.#values = [];
    this.#shift()?.resolve(values);
  }

  /** Those that failed are left to the last groups. */
  #giveLast(): void {
    for (let failed = 0; this.#next < this.#groups.length;) {
      const values = this.#values;
      if (failed === this.#failures.length) this.#give(values);
      else {
        this.#values = [];
        this.#shift()?.reject(this.#failures[failed]);
        failed += this.#size - values.length;
      }
    }
  }

  #shift(): PromiseWithResolvers<T[]> | undefined {
    const index = this.#next++;
    const group = this.#groups[index];
    this.leave(index);
    return group;
  }
}
