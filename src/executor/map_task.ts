import { abortable } from "../store/abortable.ts";
import { currentScope, runInScope } from "../scope/current_scope.ts";
import type { Future } from "../task/future.ts";
import type { DeferredArguments, Task } from "../task/task.ts";
import { openProgressBar, type ProgressObserver } from "./progress_bar.ts";

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
  const buffer = new Map<number, Future<R>>();
  const cancelAll = () => {
    for (const future of buffer.values()) future.cancel();
  };
  signal?.addEventListener("abort", cancelAll, { once: true });
  const observer = await openObserver(progress);
  try {
    observer?.start(sizeOf(items));
    let submitted = 0;
    let given = 0;
    const next = async (): Promise<R> => {
      const future = buffer.get(given) as Future<R>;
      try {
        return await abortable(future, signal);
      } finally {
        buffer.delete(given++);
      }
    };
    for await (const item of items) {
      signal?.throwIfAborted();
      const future = submit(item);
      // Observed here too: when an earlier one fails, nobody else will look at this one.
      future.catch(() => {});
      if (observer !== undefined) future.onDone(() => observer.update(future.hit === true));
      buffer.set(submitted++, future);
      if (buffer.size >= bufferSize) yield await next();
    }
    while (buffer.size > 0) yield await next();
  } finally {
    signal?.removeEventListener("abort", cancelAll);
    cancelAll();
    observer?.stop();
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
