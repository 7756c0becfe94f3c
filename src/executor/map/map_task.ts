import { leavable } from "../../base/abortable.ts";
import { importLater } from "../../base/lazy_import.ts";
import {
  BOOLEAN,
  checkOptions,
  COUNT,
  numeric,
  oneOf,
  type OptionRules,
  SIGNAL,
  withFunctions,
} from "../../base/check_options.ts";
import type { Scope } from "../../scope/scope.ts";
import { adoptFutures } from "../../task/call_arguments.ts";
import type { TaskDefinition } from "../../task/definition.ts";
import type { MapExecutor } from "./map_caller.ts";
import type { MapSettings } from "./map_run.ts";
import type { ProgressObserver } from "./progress_bar.ts";

/** Options of `Executor.map`. */
export interface MapOptions {
  /**
   * How many items a worker is sent at once, which it runs one after another. `"auto"` begins with one;
   * while they are short it doubles, up to what takes 100 ms, 4096 items, or about 1 MB of items and
   * results. A worker that has run some for 100 ms begins no more of them, and the rest goes to
   * whichever worker is free. With a number, a worker keeps so many without that limit of time.
   *
   * Either way those that have not begun are taken back as soon as another worker has nothing to do, a
   * call of a higher priority waits, or the map ends. Each item is a call of its own: it has its own
   * key, it is not sent when the cache knows it, it fails alone, and it counts as a task of
   * `maxTasksPerWorker`; `retire` and `maxHeapBytes` are looked at after each.
   *
   * Results do not wait for the other items that were sent with them: what is there goes out as soon as
   * an item waits for something, and every few milliseconds between items. Only code that never awaits
   * keeps back what had ended in the milliseconds before it, until it returns.
   *
   * When a worker dies, the item that had begun last fails, and is not run again unless `retries` says
   * so. Those that had not begun run elsewhere, and so do those whose results are lost, which had ended
   * in the last milliseconds; with `chunkSize: 1` there are none. Of a process that is killed, or runs
   * out of memory, it is not known which of up to 32 items it ran that take less than some
   * microseconds: these are run again, each alone.
   *
   * @default {"auto"}
   */
  chunkSize?: number | "auto";
  /**
   * How many items are taken from the input at most beyond those whose results were given. Workers are
   * sent so few at once that the buffer has two such chunks for each.
   *
   * @default {Math.max(32, 4 * maxWorkers * chunkSize)}
   */
  bufferSize?: number;
  /**
   * Whether results come in the order of the items, or as the calls end.
   *
   * @default {true}
   */
  ordered?: boolean;
  /**
   * Whether each item is the arguments of a task with several parameters: an array of them, or an object
   * with a field for each, such as an item of a sweep. A parameter without a field is `undefined`.
   *
   * @default {false}
   */
  spread?: boolean;
  /**
   * What becomes of a call that fails: `"throw"` ends the iteration with what it threw, `"skip"` leaves it
   * out, and `"yield"` gives how each call has ended, `{ status: "fulfilled", value }` or
   * `{ status: "rejected", reason }`, as `Promise.allSettled` does. What is no call's own fault, such as an
   * executor that is shut down or an `init` that fails, is thrown in any case.
   *
   * @default {"throw"}
   */
  onError?: "throw" | "yield" | "skip";
  /**
   * Shows a bar on standard error (`true`), with what `reportProgress` says; where that is no terminal, a
   * line every five seconds. Or tells an observer.
   *
   * @default {false}
   */
  progress?: boolean | ProgressObserver;
  /**
   * Ends the iteration with the signal's reason, and cancels what has not started; with
   * `AbortSignal.timeout()` this is a time limit for the whole iteration, which gives the results that
   * are there by then first, and ends as always if those are all.
   */
  signal?: AbortSignal;
}

/**
 * An item that is the arguments of a task with several parameters: an array of them, or an object with a
 * field for each parameter.
 *
 * @typeParam A The task's arguments.
 */
export type SpreadItem<A extends readonly unknown[]> = A | {
  readonly [name: string]: A[number];
};

const OBSERVER = withFunctions(["start", "update", "stop"], ["report"]);

const RULES: OptionRules<MapOptions> = {
  chunkSize: {
    ...numeric('must be a positive integer or "auto"', Number.isInteger),
    allows: (value) => value === "auto" || COUNT.allows(value),
  },
  bufferSize: COUNT,
  ordered: BOOLEAN,
  spread: BOOLEAN,
  onError: oneOf(["throw", "yield", "skip"]),
  progress: {
    ...OBSERVER,
    allows: (value) => BOOLEAN.allows(value) || OBSERVER.allows(value),
  },
  signal: SIGNAL,
};

/** What a map calls. */
interface MapTarget {
  /** The task. */
  readonly definition: TaskDefinition;
  /** The scope that the map was made in: a generator runs in that of whoever pulls. */
  readonly scope: Scope;
}

/**
 * Checks the options of a map.
 *
 * @throws {TypeError} When an option is unknown or of the wrong type.
 * @throws {RangeError} When a number is out of range.
 */
export function checkMapOptions(options: MapOptions): void {
  checkOptions("map", options, RULES);
}

/**
 * Calls a task for each item and gives the results.
 *
 * @typeParam T An item.
 * @typeParam R A result.
 * @param executor What runs the calls.
 * @param options Chunks, buffer, order, progress, cancellation.
 * @throws {TypeError} When an option is unknown or of the wrong type, or the items are no iterable.
 * @throws {RangeError} When a number is out of range.
 */
export function mapTask<T, R>(
  executor: MapExecutor,
  target: MapTarget,
  items: Iterable<T> | AsyncIterable<T>,
  options: MapOptions,
): AsyncGenerator<R, void, void> {
  checkMapOptions(options);
  const { chunkSize = "auto", bufferSize, ordered = true, progress = false, signal } = options;
  const { spread = false, onError = "throw" } = options;
  const settings = { chunkSize, bufferSize, ordered, spread, onError, progress, signal };
  const { name } = target.definition;
  const iterable: object = Object(items);
  if (!(Symbol.iterator in iterable) && !(Symbol.asyncIterator in iterable)) {
    throw new TypeError(
      `Cannot map "${name}": ${String(items)} is not iterable; pass an array, say`,
    );
  }
  // It may end before it comes to the last, which must not end the program when it fails.
  if (Array.isArray(items) || items instanceof Set) adoptFutures(items);

  return leavable((left) => iterate(executor, target, items, settings, left));
}

async function* iterate<T, R>(
  executor: MapExecutor,
  target: MapTarget,
  items: Iterable<T> | AsyncIterable<T>,
  settings: MapSettings,
  left: AbortSignal,
): AsyncGenerator<R, void, void> {
  settings.signal?.throwIfAborted();
  const { openMapRun } = await importLater<typeof import("./map_run.ts")>("map");
  const run = await openMapRun<T, R>(executor, target, items, settings);
  try {
    left.addEventListener("abort", () => run.leave());
    while (!left.aborted) {
      const batch = await run.next();
      if (batch === undefined) return;
      for (const value of batch.values) yield value;
      if (batch.failure !== undefined) throw batch.failure.error;
    }
  } finally {
    await run.close();
  }
}
