import { followSignal, type Future, toAborted } from "../task/future.ts";
import type { CallRunner } from "../task/call_task.ts";
import { type DeferredArguments, scopeOf, type Task } from "../task/task.ts";
import { requireDefinition } from "../task/definition.ts";
import type { CallOptions } from "./call_options.ts";
import type { MapExecutor } from "./map_caller.ts";
import { type MapOptions, mapTask } from "./map_task.ts";

/** The part of an executor that a view stands on. */
export interface ViewedExecutor extends MapExecutor {
  /** Makes what runs calls with options. */
  runnerWith(options: CallOptions): CallRunner;
  /** Submits a call to a runner. */
  submit(task: object, args: readonly unknown[], runner: CallRunner): Future<unknown>;
}

const OPTIONS: ReadonlySet<string> = new Set([
  "signal",
  "deadline",
  "onAbort",
  "gracePeriod",
  "priority",
  "retries",
]);

const ON_ABORT: ReadonlySet<string> = new Set(["terminate", "detach"]);

/** Timers count no further. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

/**
 * An executor whose calls are made with options, as `executor.with(options)` gives it: the same
 * workers and the same queue.
 *
 * @example Give up what takes too long
 * ```ts
 * import { currentSignal, DeadlineError, Executor, task } from "@quiver/quiver";
 * import { assertRejects } from "@std/assert";
 *
 * const wait = task(import.meta, async () => {
 *   const signal = currentSignal();
 *   await new Promise((resolve) => signal.addEventListener("abort", resolve));
 * }, { name: "waitForSignal" });
 *
 * await using executor = new Executor({ workerType: "inline" });
 * const hasty = executor.with({ deadline: 5 });
 * await assertRejects(async () => await hasty.submit(wait), DeadlineError);
 * ```
 */
export class ExecutorView {
  readonly #executor: ViewedExecutor;
  readonly #options: CallOptions;
  readonly #runner: CallRunner;

  /**
   * Creates a view. Users get views from `executor.with(options)`.
   *
   * @param executor What runs the calls.
   * @param options How they are made.
   */
  constructor(executor: ViewedExecutor, options: CallOptions) {
    checkCallOptions(options);
    this.#executor = executor;
    this.#options = { ...options };
    this.#runner = executor.runnerWith(this.#options);
  }

  /** How many workers run at once at most. */
  get maxWorkers(): number {
    return this.#executor.maxWorkers();
  }

  /**
   * A view with more options.
   *
   * @param options The options; those of this view stay, unless they have the same name.
   * @returns The view.
   */
  with(options: CallOptions): ExecutorView {
    return new ExecutorView(this.#executor, { ...this.#options, ...options });
  }

  /**
   * Submits a call, as `Executor.submit` does.
   *
   * @typeParam A The task's arguments.
   * @typeParam R What the task returns.
   * @param task The task.
   * @param args The arguments, or futures of them at any depth.
   * @returns The future of the result. It rejects with the signal's reason, or with `DeadlineError`,
   * when the call is given up.
   */
  submit<A extends readonly unknown[], R>(
    task: Task<A, R>,
    ...args: DeferredArguments<A>
  ): Future<R> {
    const { signal } = this.#options;
    if (signal?.aborted) return toAborted<R>(task.name, signal.reason);
    // The definition is that of `task`, so its function returns what `task` does.
    const future = this.#executor.submit(task, args, this.#runner) as Future<R>;
    if (signal !== undefined) followSignal(future, signal);
    return future;
  }

  /**
   * Calls a task for each item, as `Executor.map` does. With a deadline, each item travels alone. With
   * `retries`, an item that fails is run again alone, up to so many times. When a worker dies, items whose
   * results it has not sent yet are run again as well; of a process it is not known which item it ran,
   * so that this one runs once more than `retries` says.
   *
   * @typeParam T An item: the task's one argument.
   * @typeParam R What the task returns.
   * @param task The task.
   * @param items The items, or an async iterable of them.
   * @param options Buffer, progress, cancellation of the whole.
   * @returns The results.
   */
  map<T, R>(
    task: Task<[T], R>,
    items: Iterable<T> | AsyncIterable<T>,
    options: MapOptions = {},
  ): AsyncGenerator<R, void, void> {
    const { signal, ...callOptions } = this.#options;
    const signals = [signal, options.signal].filter((each) => each !== undefined);
    return mapTask(
      { ...this.#executor, options: { ...this.#executor.options, ...callOptions } },
      { definition: requireDefinition(task, "map"), scope: scopeOf(task) },
      items,
      { ...options, ...(signals.length > 0 && { signal: AbortSignal.any(signals) }) },
    );
  }
}

/**
 * Checks options by name.
 *
 * @param options The options.
 * @throws {TypeError} When an option is unknown or of the wrong type.
 * @throws {RangeError} When a number is out of range.
 */
function checkCallOptions(options: CallOptions): void {
  for (const name of Object.keys(options)) {
    if (OPTIONS.has(name)) continue;
    throw new TypeError(
      `Cannot submit with options: "${name}" is not an option; ` +
        `the options are ${[...OPTIONS].join(", ")}`,
    );
  }
  const { signal, deadline, onAbort, gracePeriod, priority = 0, retries = 0 } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError("Cannot submit with options: `signal` is not an AbortSignal");
  }
  if (onAbort !== undefined && !ON_ABORT.has(onAbort)) {
    throw new TypeError(
      `Cannot submit with options: \`onAbort\` is one of ${[...ON_ABORT].join(", ")}, ` +
        `not ${JSON.stringify(onAbort)}`,
    );
  }
  checkTime("deadline", deadline);
  checkTime("gracePeriod", gracePeriod);
  if (!Number.isSafeInteger(priority)) {
    throw new RangeError(
      `Cannot submit with options as \`priority\` must be an integer: ${priority}`,
    );
  }
  if (!Number.isSafeInteger(retries) || retries < 0) {
    throw new RangeError(
      `Cannot submit with options as \`retries\` must be an integer that is not negative: ${retries}`,
    );
  }
}

function checkTime(name: string, time: number | undefined): void {
  if (time === undefined || time === Infinity) return;
  if (Number.isFinite(time) && time >= 0 && time <= LONGEST_TIMEOUT) return;
  throw new RangeError(
    `Cannot submit with options as \`${name}\` must be Infinity or from 0 to ${LONGEST_TIMEOUT} ` +
      `milliseconds: ${time}`,
  );
}
