import { CancelledError } from "../errors.ts";
import type { Digest } from "../value/encoded_value.ts";

/** Where a call stands. */
export type FutureState = "pending" | "running" | "done" | "cancelled";

/** What the one who runs the call reports to its future. */
export interface FutureProgress {
  /** Aborted when the future is cancelled. */
  readonly signal: AbortSignal;
  /** The key is known. */
  keyed(key: Digest): void;
  /** The body starts: from now on the future can no longer be cancelled. */
  started(): void;
  /** The result is known, and whether it came without running the body. */
  recalled(hit: boolean): void;
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
  /** What `Object.prototype.toString` shows. */
  readonly [Symbol.toStringTag] = "Future";
  readonly #promise: Promise<T>;
  /** Made when first asked for: most futures are never cancelled, and a controller costs. */
  #controller: AbortController | undefined;
  #state: FutureState = "pending";
  #key: Digest | undefined;
  #hit: boolean | undefined;
  /** Not `then`: who only wants to know the end has not handled a failure. */
  readonly #observers: ((future: Future<T>) => void)[] = [];
  #cancel: ((reason: CancelledError) => void) | undefined;

  /**
   * Creates the future of a call. Users get futures from tasks and executors.
   *
   * @param name What the call is named in messages.
   * @param run Runs the call and reports how it stands.
   */
  constructor(readonly name: string, run: (progress: FutureProgress) => Promise<T>) {
    // deno-lint-ignore no-this-alias
    const future = this;
    const progress: FutureProgress = {
      get signal() {
        return future.signal;
      },
      keyed: (key) => this.#key = key,
      started: () => {
        if (this.#state === "pending") this.#state = "running";
      },
      recalled: (hit) => this.#hit = hit,
    };
    this.#promise = new Promise<T>((resolve, reject) => {
      this.#cancel = reject;
      run(progress).then(
        (value) => (this.#settled(), resolve(value)),
        (reason) => (this.#settled(), reject(reason)),
      );
    });
  }

  /** Where the call stands. */
  get state(): FutureState {
    return this.#state;
  }

  /** The key of the call, as soon as it is known; calls without a cache have none. */
  get key(): Digest | undefined {
    return this.#key;
  }

  /** Whether the result came without running the body here; known once the future is done. */
  get hit(): boolean | undefined {
    return this.#hit;
  }

  /** Aborted when the future is cancelled. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#state === "cancelled" && !this.#controller.signal.aborted) this.#controller.abort();
    return this.#controller.signal;
  }

  /**
   * Cancels the call if its body has not started.
   *
   * @returns Whether the call is cancelled.
   */
  cancel(): boolean {
    if (this.#state === "cancelled") return true;
    if (this.#state !== "pending") return false;
    this.#state = "cancelled";
    const reason = new CancelledError(`Cannot finish "${this.name}": the call was cancelled`);
    this.#controller?.abort(reason);
    this.#cancel?.(reason);
    this.#announce();
    return true;
  }

  /**
   * Calls a function once when the future has settled, however it did.
   *
   * @param fn Gets the future.
   */
  onDone(fn: (future: Future<T>) => void): void {
    if (this.#state === "done" || this.#state === "cancelled") queueMicrotask(() => fn(this));
    else this.#observers.push(fn);
  }

  /**
   * One element of an array that the call returns, as a future of its own.
   *
   * @param index The position; negative ones count from the end.
   * @returns The future of the element.
   */
  at(
    this: Future<ArrayLike<unknown> & T>,
    index: number,
  ): Future<T extends ArrayLike<infer E> ? E | undefined : never> {
    type Element = T extends ArrayLike<infer E> ? E | undefined : never;
    return new Future(`${this.name}.at(${index})`, async () => {
      const array = await this;
      return array[index < 0 ? array.length + index : index] as Element;
    });
  }

  /**
   * One field of an object that the call returns, as a future of its own.
   *
   * @typeParam K The field's name.
   * @param field The field's name.
   * @returns The future of the field.
   */
  get<K extends keyof T & string>(field: K): Future<T[K]> {
    return new Future(
      `${this.name}.get("${field}")`,
      () => this.#promise.then((value) => value[field]),
    );
  }

  #settled(): void {
    if (this.#state === "cancelled") return;
    this.#state = "done";
    this.#announce();
  }

  #announce(): void {
    for (const fn of this.#observers.splice(0)) queueMicrotask(() => fn(this));
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
}
