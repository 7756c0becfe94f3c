import { ExecutorShutdownError, NestedExecutorError } from "../errors.ts";
import { currentScope } from "../scope/current_scope.ts";
import type { Scope } from "../scope/scope.ts";
import { answerCall } from "../task/answer_call.ts";
import { Future } from "../task/future.ts";
import { definitionOf } from "../task/registry.ts";
import type { DeferredArguments, Task } from "../task/task.ts";
import { currentWorker } from "../worker/current_worker.ts";
import {
  checkMaxWorkers,
  type ExecutorOptions,
  type ExecutorSettings,
  toExecutorSettings,
} from "./executor_options.ts";
import type { ExecutorStatistics } from "./executor_statistics.ts";
import { LateEngine } from "./late_engine.ts";
import { type MapOptions, mapTask } from "./map_task.ts";

/** Options of {@linkcode Executor.shutdown}. */
export interface ShutdownOptions {
  /**
   * Whether to wait for the calls that were submitted.
   *
   * @default {true}
   */
  wait?: boolean;
  /**
   * Whether calls that have not started are cancelled.
   *
   * @default {false}
   */
  cancelPending?: boolean;
}

/**
 * A bounded set of workers with a queue. Workers start when there is work and stay warm between
 * calls; a call that the cache knows never reaches one.
 *
 * ```text
 *  submit(task, …args)                                         (this isolate)
 *    │ futures among the arguments → their results
 *    │ arguments → key ── in the cache? ──────────── yes ──▶ future, hit
 *    │                └── computed here already? ─── yes ──▶ wait for it
 *    ▼ no
 *  Dispatcher.run: a worker (FIFO) ══ postMessage ══▶ import once          (the worker)
 *                                                      │ lease of the key ── held? ──▶ busy
 *                                                      │ look again ──────── there? ─▶ hit
 *                                                      ▼
 *    wait until the lease is free ◀══ busy ═══╗        arguments → bag, run, result → bag,
 *    future settled ◀══ value, hit, error ════╩═ postMessage ═ record → log, lease freed
 * ```
 *
 * An executor that is dropped without being shut down still finishes its calls, and its workers end when
 * they have been idle for `idleTimeout`; with `Infinity` they keep the program alive.
 *
 * Requires `--allow-read` of Quiver's own files and of the modules of the tasks.
 *
 * @example Run calls on workers
 * ```ts
 * import { Executor, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const square = task(import.meta, (n: number) => n * n, { name: "square" });
 *
 * await using executor = new Executor({ workerType: "inline" });
 * assertEquals(await executor.submit(square, 12), 144);
 * ```
 */
export class Executor implements AsyncDisposable {
  readonly #engine: LateEngine;
  readonly #settings: ExecutorSettings;
  #maxWorkers: number;
  #hits = 0;
  #misses = 0;
  /** Calls that were submitted and have not settled, in whatever state. */
  readonly #unsettled = new Set<Future<unknown>>();
  #accepting = true;
  /** Made when somebody waits for the last call; waiting on the futures would hide their failures. */
  #drained: PromiseWithResolvers<void> | undefined;

  /**
   * Creates an executor; no worker starts before there is work.
   *
   * @param options How many workers, of which kind.
   * @throws {TypeError} When an option is unknown.
   * @throws {RangeError} When a number is out of range.
   */
  constructor(options: ExecutorOptions = {}) {
    const settings = this.#settings = toExecutorSettings(options);
    this.#maxWorkers = settings.maxWorkers;
    this.#engine = new LateEngine(settings);
  }

  /** Whether it takes no more calls. */
  get closed(): boolean {
    return !this.#accepting;
  }

  /** How many workers run at once at most. */
  get maxWorkers(): number {
    return this.#maxWorkers;
  }

  /**
   * Submits a call: the cache of the scope answers, or a worker runs it.
   *
   * @typeParam A The task's arguments.
   * @typeParam R What the task returns.
   * @param task The task.
   * @param args The arguments, or futures of them at any depth.
   * @returns The future of the result. It rejects with what the task threw, with `WorkerDiedError`
   * when the worker died, with `UnclonableError` when an argument or the result cannot travel, with
   * `DependencyError` when a future among the arguments failed, and with `ExecutorShutdownError`
   * after `shutdown`.
   * @throws {TypeError} When the function is not a task.
   * @throws {NestedExecutorError} When the code runs in a worker but in no call: a module that a
   * worker imports for a task would otherwise start workers for ever. Also when calls are nested deeper
   * than `maxDepth`.
   */
  submit<A extends readonly unknown[], R>(
    task: Task<A, R>,
    ...args: DeferredArguments<A>
  ): Future<R> {
    const definition = definitionOf(task);
    if (definition === undefined) {
      throw new TypeError(
        `Cannot submit ${describe(task)}: it is not a task; make it one with ` +
          "`task(import.meta, fn)` at the top level of a module",
      );
    }
    const { name } = definition;
    const scope = currentScope();
    if (!this.#accepting) {
      return new Future(name, () =>
        Promise.reject(
          new ExecutorShutdownError(`Cannot submit "${name}": the executor was shut down`),
        ));
    }
    refuseOutsideOfCall(name, scope);
    this.#refuseTooDeep(name, scope);
    const future = answerCall(definition, args, scope, this.#engine);
    this.#unsettled.add(future);
    future.onDone(() => {
      this.#unsettled.delete(future);
      if (future.hit === true) this.#hits++;
      else if (future.key !== undefined && future.state === "done") this.#misses++;
      if (this.#unsettled.size === 0) this.#drained?.resolve();
    });
    // The definition is that of `task`, so its function returns what `task` does.
    return future as Future<R>;
  }

  /**
   * Calls a task for each item, on the workers, and gives the results in the order of the items.
   * Only `bufferSize` calls are under way at once, so that the input may be endless. Leaving the
   * loop early cancels what has not started.
   *
   * @typeParam T An item: the task's one argument.
   * @typeParam R What the task returns.
   * @param task The task.
   * @param items The items, or an async iterable of them.
   * @param options Buffer, progress, cancellation.
   * @returns The results.
   *
   * @example Sweep a parameter
   * ```ts
   * import { Executor, task } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const cube = task(import.meta, (n: number) => n ** 3, { name: "cube" });
   *
   * await using executor = new Executor({ workerType: "inline" });
   * assertEquals(await Array.fromAsync(executor.map(cube, [1, 2, 3])), [1, 8, 27]);
   * ```
   */
  map<T, R>(
    task: Task<[T], R>,
    items: Iterable<T> | AsyncIterable<T>,
    options: MapOptions = {},
  ): AsyncGenerator<R, void, void> {
    return mapTask(this, task, items, options);
  }

  /**
   * Changes how many workers run at once at most, also while they are busy: those too many end after
   * their call, and more start when there is work for them. The same number changes nothing, and neither
   * does any once the executor is shut down.
   *
   * @param maxWorkers The new number.
   * @throws {RangeError} When it is not a positive integer, or more than `maxTotalWorkers`.
   *
   * @example Leave room for something else
   * ```ts
   * import { Executor, task } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const negate = task(import.meta, (n: number) => -n, { name: "negate" });
   *
   * await using executor = new Executor({ maxWorkers: 4, workerType: "inline" });
   * executor.resize(1);
   * assertEquals(await executor.submit(negate, 3), -3);
   * assertEquals(executor.statistics().workers, 1);
   * ```
   */
  resize(maxWorkers: number): void {
    checkMaxWorkers(maxWorkers, this.#settings.maxTotalWorkers, "resize an executor");
    if (this.closed || maxWorkers === this.#maxWorkers) return;
    this.#maxWorkers = maxWorkers;
    this.#engine.resize(maxWorkers);
  }

  /**
   * How many calls wait and run, how they have ended so far and how long they took, and how many workers
   * there are. It costs the same however many calls there were.
   *
   * @returns The counts of this moment.
   *
   * @example See how well the cache does
   * ```ts
   * import { cacheScope, createMemoryCache, Executor, task } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const third = task(import.meta, (n: number) => n / 3, { name: "third" });
   *
   * await using executor = new Executor({ workerType: "inline" });
   * await cacheScope({ cache: createMemoryCache() }, async () => {
   *   await executor.submit(third, 9);
   *   await executor.submit(third, 9);
   * });
   * const { hits, misses, completed } = executor.statistics();
   * assertEquals([hits, misses, completed], [1, 1, 1]);
   * ```
   */
  statistics(): ExecutorStatistics {
    return { ...this.#engine.statistics(), hits: this.#hits, misses: this.#misses };
  }

  /**
   * Takes no more calls, and ends the workers when those submitted have settled.
   *
   * @param options Whether to wait, and whether calls that have not started are cancelled.
   */
  async shutdown(options: ShutdownOptions = {}): Promise<void> {
    const { wait = true, cancelPending = false } = options;
    this.#accepting = false;
    if (cancelPending) {
      for (const future of this.#unsettled) future.cancel();
      // Those that were sent ahead are cancelled there; whoever ends the workers is told what it throws.
      this.#engine.close({ cancelPending }).catch(() => {});
    }
    const ended = this.#end();
    if (wait) await ended;
    // Nobody waits, and what a worker's end could report was reported to the calls.
    else ended.catch(() => {});
  }

  /**
   * Ends the workers now, as far as their kind allows: the calls that wait or run reject with
   * `ExecutorShutdownError`.
   */
  terminate(): void {
    this.#accepting = false;
    this.#engine.terminate();
  }

  /** Waits for the calls that were submitted, then ends the workers. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  #refuseTooDeep(name: string, { nesting }: Scope): void {
    const { maxDepth } = this.#settings;
    if (nesting === undefined || nesting.depth < maxDepth) return;
    throw new NestedExecutorError(
      `Cannot submit "${name}": ${nesting.depth} executors' calls are around it, and \`maxDepth\` is ` +
        `${maxDepth}; does a task submit itself for ever?`,
    );
  }

  async #end(): Promise<void> {
    if (this.#unsettled.size > 0) {
      this.#drained ??= Promise.withResolvers<void>();
      await this.#drained.promise;
    }
    await this.#engine.close();
  }
}

/** Also what a module leaves running behind its import is in no call. */
function refuseOutsideOfCall(name: string, { chain }: Scope): void {
  const worker = currentWorker();
  if (worker === undefined || chain !== undefined) return;
  const where = worker.importing === undefined ? "" : `, while it imports "${worker.importing}"`;
  throw new NestedExecutorError(
    `Cannot submit "${name}" in a worker outside of a call${where}: put the module's main part ` +
      "under `if (import.meta.main)`",
  );
}

function describe(value: unknown): string {
  return typeof value === "function" ? `"${value.name}"` : String(value);
}
