import { abortable } from "../store/abortable.ts";
import { currentScope, runInScope } from "../scope/current_scope.ts";
import type { Future } from "../task/future.ts";
import type { DeferredArguments, Task } from "../task/task.ts";
import { openProgressBar, type ProgressObserver } from "./progress_bar.ts";
import { RunningProgress } from "./running_progress.ts";

/** Options of `Executor.map`. */
export interface MapOptions {
  /**
   * How many calls are under way at once at most.
   *
   * @default {Math.max(32, 4 * maxWorkers)}
   */
  bufferSize?: number;
  /**
   * Shows a bar on standard error when that is a terminal (`true`), or tells an observer.
   *
   * @default {false}
   */
  progress?: boolean | ProgressObserver;
  /** Ends the iteration with the signal's reason, and cancels what has not started. */
  signal?: AbortSignal;
}

/** The part of an executor that a map needs. */
interface Submits {
  readonly maxWorkers: number;
  submit<A extends readonly unknown[], R>(
    task: Task<A, R>,
    ...args: DeferredArguments<A>
  ): Future<R>;
}

const OPTIONS: ReadonlySet<string> = new Set(["bufferSize", "progress", "signal"]);

/**
 * Calls a task for each item and gives the results in the order of the items.
 *
 * @typeParam T An item.
 * @typeParam R A result.
 * @param executor What runs the calls.
 * @param task The task.
 * @param items The items.
 * @param options Buffer, progress, cancellation.
 * @returns The results.
 */
export function mapTask<T, R>(
  executor: Submits,
  task: Task<[T], R>,
  items: Iterable<T> | AsyncIterable<T>,
  options: MapOptions,
): AsyncGenerator<R, void, void> {
  const { bufferSize = Math.max(32, 4 * executor.maxWorkers) } = options;
  for (const name of Object.keys(options)) {
    if (OPTIONS.has(name)) continue;
    throw new TypeError(
      `Cannot map: "${name}" is not an option; the options are ${[...OPTIONS].join(", ")}`,
    );
  }
  if (!Number.isInteger(bufferSize) || bufferSize < 1) {
    throw new RangeError(
      `Cannot map as \`bufferSize\` must be a positive integer: ${bufferSize}`,
    );
  }
  // A generator runs in the scope of whoever pulls: the calls belong to the scope of the `map`.
  const scope = currentScope();
  const submit = (item: T): Future<R> =>
    runInScope(scope, () => executor.submit(task, ...[item] as DeferredArguments<[T]>));
  return iterate(submit, items, bufferSize, options);
}

async function* iterate<T, R>(
  submit: (item: T) => Future<R>,
  items: Iterable<T> | AsyncIterable<T>,
  bufferSize: number,
  { progress = false, signal }: MapOptions,
): AsyncGenerator<R, void, void> {
  signal?.throwIfAborted();
  /** Calls under way, in the order of their items. */
  const buffer: Future<R>[] = [];
  const cancelAll = () => buffer.forEach((future) => future.cancel());
  signal?.addEventListener("abort", cancelAll, { once: true });
  const observer = await openObserver(progress);
  const running = observer && new RunningProgress(observer);
  const source = new ItemSource(items);
  try {
    observer?.start(sizeOf(items));
    while (!source.ended || buffer.length > 0) {
      const [first] = buffer;
      if (buffer.length < bufferSize && !source.ended) {
        // A slow input must not hold back results that are there.
        const item = await abortable(source.next(first), signal);
        if (item !== undefined) {
          const future = submit(item.value);
          // Observed here too: when an earlier one fails, nobody else will look at this one.
          future.catch(() => {});
          running?.follow(future);
          if (observer !== undefined) future.onDone(() => observer.update(future.hit === true));
          buffer.push(future);
          continue;
        }
      }
      if (first === undefined) continue;
      const value = await abortable(first, signal);
      buffer.shift();
      yield value;
    }
  } finally {
    signal?.removeEventListener("abort", cancelAll);
    cancelAll();
    observer?.stop();
    await source.close();
  }
}

/** The input of a map, of which one item is asked for at a time. */
class ItemSource<T> {
  readonly #iterator: Iterator<T> | AsyncIterator<T>;
  #asked: Promise<IteratorResult<T>> | undefined;
  #ended = false;

  constructor(items: Iterable<T> | AsyncIterable<T>) {
    this.#iterator = Symbol.asyncIterator in items
      ? items[Symbol.asyncIterator]()
      : items[Symbol.iterator]();
  }

  /** Whether there is nothing more to come. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Gives the next item, unless a result comes first: then the item is for the next time.
   *
   * @param result What may come first.
   */
  async next(result: Promise<unknown> | undefined): Promise<{ value: T } | undefined> {
    if (this.#asked === undefined) {
      const step = this.#iterator.next();
      if (!(step instanceof Promise)) return this.#take(step);
      this.#asked = step;
      // When a result comes first and the loop is left, nobody else will look at this one.
      step.catch(() => this.#ended = true);
    }
    const settled = () => undefined;
    const step =
      await (result === undefined
        ? this.#asked
        : Promise.race([this.#asked, result.then(settled, settled)]));
    if (step === undefined) return undefined;
    this.#asked = undefined;
    return this.#take(step);
  }

  #take(step: IteratorResult<T>): { value: T } | undefined {
    if (!step.done) return { value: step.value };
    this.#ended = true;
    return undefined;
  }

  /** Lets the input clean up when not all of it was taken. */
  async close(): Promise<void> {
    if (this.#ended) return;
    const closing = Promise.resolve(this.#iterator.return?.());
    // An input that is still asked for an item closes after that, which may take for ever.
    if (this.#asked === undefined) await closing;
    else closing.catch(() => {});
  }
}

function openObserver(
  progress: boolean | ProgressObserver,
): ProgressObserver | undefined | Promise<ProgressObserver | undefined> {
  return typeof progress === "object" ? progress : progress ? openProgressBar() : undefined;
}

function sizeOf(items: object): number | undefined {
  if (Array.isArray(items)) return items.length;
  return items instanceof Set || items instanceof Map ? items.size : undefined;
}
