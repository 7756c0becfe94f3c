import { collectFutures, watchLimits } from "./wait.ts";
import { Future } from "../task/future.ts";

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
 *
 * @typeParam F The future or promise.
 */
export type Completion<F> =
  | (PromiseFulfilledResult<Awaited<F>> & { readonly future: F })
  | (PromiseRejectedResult & { readonly future: F });

/**
 * Gives futures in the order in which they settle, as `concurrent.futures.as_completed` does: first
 * those that have settled already, and each once. One that fails does not end the iteration, and its
 * failure counts as handled.
 *
 * @typeParam F A future or a promise.
 * @param futures The futures.
 * @param options How long to wait.
 * @returns The futures, and how each has settled.
 * @throws {TypeError} When something is no future.
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
): AsyncIterableIterator<Completion<F>, void, void> {
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
 * @param futures The futures.
 * @param size How many make a group.
 * @returns The groups.
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
  return groups.map(({ promise }, index) => new Future(`batch ${index + 1}`, () => promise));
}
