import { CancelledError } from "../errors.ts";
import type { Digest } from "../value/encoded_value.ts";
import { type CallProgress, CallStatus, type FutureState } from "./call_status.ts";

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
  readonly #promise: Promise<T>;
  readonly #status = new CallStatus();
  #cancel: ((reason: unknown) => void) | undefined;

  /**
   * Creates the future of a call. Users get futures from tasks and executors.
   *
   * @param name What the call is named in messages.
   * @param run Runs the call and reports where it stands.
   */
  constructor(readonly name: string, run: (status: CallStatus) => T | Promise<T>) {
    const status = this.#status;
    this.#promise = new Promise<T>((resolve, reject) => {
      this.#cancel = reject;
      const succeed = (value: T) => {
        status.settled();
        resolve(value);
      };
      const fail = (reason: unknown) => {
        // Given up: it has rejected already.
        if (status.state === "cancelled") return;
        status.settled();
        if (status.worker === undefined || !(reason instanceof Error)) reject(reason);
        else resolve(rejectWithCallers(reason, status.worker));
      };
      try {
        const result = run(status);
        // A body may return a future, which is no instance of Promise.
        if (result instanceof CallAnswer) result.give({ succeed, fail });
        else if (typeof result === "object" && result !== null && "then" in result) {
          Promise.resolve(result).then(succeed, fail);
        } else succeed(result);
      } catch (error) {
        fail(error);
      }
    });
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
    const reason = new CancelledError(`Cannot finish "${this.name}": the call was cancelled`);
    if (this.#status.cancel(reason)) {
      // Whoever cancels knows: a future that nobody awaits must not end the program for it.
      this.#promise.catch(() => {});
      this.#cancel?.(reason);
    }
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
    const given = reason ??
      new CancelledError(`Cannot finish "${this.name}": the call was aborted`);
    if (!this.#status.abort(given)) return false;
    // As in `cancel()`: whoever aborts knows.
    this.#promise.catch(() => {});
    this.#cancel?.(given);
    return true;
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

/** Frames of Quiver's own code say nothing to who calls. */
const OWN_FRAMES = new URL("../", import.meta.url).href;

/**
 * Makes a promise that rejects with what a call threw on a worker, having added to its stack who
 * awaits the call here.
 *
 * V8 tells the functions that await a promise from the code that settles it. So a stack need not be
 * kept for every call that is made, most of which do not fail; whoever awaits only later is not found.
 *
 * @param error What was thrown.
 * @param worker The worker's name.
 * @returns The promise, to resolve the one with that is awaited.
 */
export function rejectWithCallers(error: Error, worker: string): Promise<never> {
  // The first turn lets the promise that is awaited join this one, so that there is a way to it.
  return Promise.resolve().then(() => {}).then(() => {
    addCallers(error, worker);
    throw error;
  });
}

function addCallers(error: Error, worker: string): void {
  const here = { stack: "" };
  Error.captureStackTrace(here);
  const callers = here.stack.split("\n").filter((line) =>
    line.startsWith("    at async ") && !line.includes(OWN_FRAMES)
  );
  const called = callers.length === 0 ? "" : ", called by";
  const text = [`    in worker "${worker}"${called}`, ...callers].join("\n");
  const { stack } = error;
  if (typeof stack !== "string" || stack.includes(text)) return;
  // An error that was frozen stays as it is.
  Reflect.defineProperty(error, "stack", {
    value: `${stack}\n${text}`,
    writable: true,
    configurable: true,
  });
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
