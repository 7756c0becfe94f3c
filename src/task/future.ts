import { CancelledError } from "../base/errors.ts";
import type { Digest } from "../value/value.ts";
import { type CallKeeper, type CallProgress, CallStatus, type FutureState } from "./call_status.ts";

/** Who waits for the answer to a call. */
export interface AnswerTaker {
  /** The call has a value. */
  succeed(value: unknown): void;
  /** It has none. */
  fail(reason: unknown): void;
}

/**
 * The answer to a call, on its way to the one who waits for it. A promise for each step of the way
 * would make a call that waits in a queue half as large again, and what waits is copied whenever
 * garbage is collected.
 */
export class CallAnswer {
  /** Who waits; before that, what tells it how the call has ended. */
  #next: AnswerTaker | ((taker: AnswerTaker) => void) | undefined;

  /**
   * Hands the answer over, now or when it comes.
   *
   * @param taker Who waits for it; there is nobody else.
   */
  give(taker: AnswerTaker): void {
    if (typeof this.#next === "function") this.#next(taker);
    else this.#next = taker;
  }

  /**
   * Makes a promise of it, for those who chain calls by promises; this makes it a thenable.
   *
   * @param onFulfilled Told the value.
   * @param onRejected Told why there is none.
   */
  then(onFulfilled: (value: unknown) => void, onRejected: (reason: unknown) => void): void {
    this.give({ succeed: onFulfilled, fail: onRejected });
  }

  /**
   * The call has a value.
   *
   * @param value The value.
   */
  protected succeed(value: unknown): void {
    if (typeof this.#next === "object") this.#next.succeed(value);
    else this.#next = (taker) => taker.succeed(value);
  }

  /**
   * The call has none.
   *
   * @param reason Why.
   */
  protected fail(reason: unknown): void {
    if (typeof this.#next === "object") this.#next.fail(reason);
    else this.#next = (taker) => taker.fail(reason);
  }
}

/** Marks futures: another copy of Quiver has a class of its own. */
const FUTURE = Symbol.for("quiver.future");

/**
 * The promise of a call, which also tells where the call stands.
 *
 * @typeParam T What the call returns.
 *
 * @example See whether a result came from the cache
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const half = task(import.meta, (n: number) => n / 2, { name: "half" });
 * await cacheScope({ cache: createMemoryCache() }, async () => {
 *   const first = half(8);
 *   assertEquals(await first, 4);
 *   assertEquals(first.hit, false);
 *   const second = half(8);
 *   assertEquals(await second, 4);
 *   assertEquals(second.hit, true);
 * });
 * ```
 */
export class Future<T> implements Promise<T> {
  readonly #status: CallStatus;

  static {
    Object.defineProperty(this.prototype, FUTURE, { value: true });
  }

  /**
   * Tells futures by `instanceof`, those of another copy of Quiver included.
   *
   * @param value Perhaps a future.
   * @returns Whether it is one.
   */
  static [Symbol.hasInstance](value: unknown): boolean {
    // A class that extends this one is known by itself.
    if (this !== Future) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === "object" && value !== null && FUTURE in value;
  }

  /**
   * Creates the future of a call. Users get futures from tasks and executors.
   *
   * @param name What the call is named in messages.
   * @param run Runs the call and reports where it stands.
   * @param keeper Keeps count of the call.
   */
  constructor(name: string, run: (status: CallStatus) => T | Promise<T>, keeper?: CallKeeper) {
    const status = this.#status = new CallStatus(name, keeper);
    try {
      const result = run(status);
      // A body may return a future, which is no instance of Promise.
      if (result instanceof CallAnswer) result.give(status);
      else if (typeof result === "object" && result !== null && "then" in result) {
        Promise.resolve(result).then((value) => status.succeed(value), (e) => status.fail(e));
      } else status.succeed(result);
    } catch (error) {
      status.fail(error);
    }
  }

  /** What the call is named in messages. */
  get name(): string {
    return this.#status.name;
  }

  /** What `Object.prototype.toString` shows. */
  get [Symbol.toStringTag](): string {
    return "Future";
  }

  /** Where the call stands. */
  get state(): FutureState {
    return this.#status.state;
  }

  /** The key of the call, as soon as it is known; calls without a cache have none. */
  get key(): Digest | undefined {
    return this.#status.key;
  }

  /** Whether the result came without running the body here; known once the future is done. */
  get hit(): boolean | undefined {
    return this.#status.hit;
  }

  /** How far the call is, as its task says by `report()`. */
  get progress(): CallProgress {
    return this.#status.progress;
  }

  /** Aborted when the future is cancelled or aborted. */
  get signal(): AbortSignal {
    return this.#status.signal;
  }

  /**
   * Cancels the call if its body has not started.
   *
   * @returns Whether the call is cancelled.
   */
  cancel(): boolean {
    this.#status.cancel();
    return this.state === "cancelled";
  }

  /**
   * Gives the call up, running or not: the future rejects at once, and the signal that the task gets
   * from `currentSignal()` aborts. A body that does not look at it goes on to its end, unseen.
   *
   * @param reason What the future rejects with; a `CancelledError` when left out.
   * @returns Whether this has given the call up; `false` when it had ended.
   */
  abort(reason?: unknown): boolean {
    return this.#status.abort(
      reason ?? new CancelledError(`Cannot finish "${this.name}": the call was aborted`),
    );
  }

  /**
   * Calls a function once when the future has settled, however it did. Unlike `then`, this does not
   * count as handling a failure.
   *
   * @param fn Gets the future.
   */
  onDone(fn: (future: Future<T>) => void): void {
    this.#status.onDone(() => fn(this));
  }

  /**
   * One element of an array that the call returns, as a future of its own. Cancelling that does not
   * cancel the call.
   *
   * @param index The position; negative ones count from the end.
   * @returns The future of the element.
   */
  at(
    this: Future<ArrayLike<unknown> & T>,
    index: number,
  ): Future<T extends ArrayLike<infer E> ? E | undefined : never> {
    type Element = T extends ArrayLike<infer E> ? E | undefined : never;
    return this.#derive(
      `${this.name}.at(${index})`,
      (array) => array[index < 0 ? array.length + index : index] as Element,
    );
  }

  /**
   * One field of an object that the call returns, as a future of its own. Cancelling that does not
   * cancel the call.
   *
   * @typeParam K The field's name.
   * @param field The field's name.
   * @returns The future of the field.
   */
  get<K extends keyof T & string>(field: K): Future<T[K]> {
    return this.#derive(`${this.name}.get("${field}")`, (value) => value[field]);
  }

  /** What `run` gave settles it, and that is of the type `T`. */
  get #promise(): Promise<T> {
    return this.#status.promise as Promise<T>;
  }

  /** As of any promise. */
  then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#promise.then(onFulfilled, onRejected);
  }

  /** As of any promise. */
  catch<B = never>(
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<T | B> {
    return this.#promise.catch(onRejected);
  }

  /** As of any promise. */
  finally(onFinally?: (() => void) | null): Promise<T> {
    return this.#promise.finally(onFinally);
  }

  /** The future of a part of the result; it fails as this one does, which then counts as handled. */
  #derive<P>(name: string, take: (value: T) => P): Future<P> {
    return new Future(name, (status) =>
      this.#promise.then((value) => {
        status.recalled(this.hit === true);
        return take(value);
      }));
  }
}

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
