import { ExecutorShutdownError, NestedExecutorError } from "../errors.ts";
import { currentScope } from "../scope/current_scope.ts";
import type { Scope } from "../scope/scope.ts";
import { answerCall, type CallRunner } from "../task/answer_call.ts";
import { Future } from "../task/future.ts";
import { definitionOf } from "../task/registry.ts";
import type { DeferredArguments, Task } from "../task/task.ts";
import { currentWorker } from "../worker/current_worker.ts";
import { WORKER_TYPES, type WorkerType } from "../worker/worker.ts";
import type { CallOptions } from "./call_options.ts";
import type { DispatcherStatistics } from "./dispatcher.ts";
import { ExecutorView } from "./executor_view.ts";
import { LateEngine } from "./late_engine.ts";
import { type MapOptions, mapTask } from "./map_task.ts";
import { type OutputOption, toOutputTaker } from "./output.ts";

/** Options of {@linkcode Executor}. */
export interface ExecutorOptions {
  /**
   * How many workers run at once at most.
   *
   * @default {navigator.hardwareConcurrency}
   */
  maxWorkers?: number;
  /**
   * What a worker is: `"web"` a Web Worker, `"inline"` this isolate (for tests and debugging).
   *
   * @default {"web"}
   */
  workerType?: WorkerType;
  /**
   * How long a worker stays without work before it is ended, in milliseconds.
   *
   * @default {10000}
   */
  idleTimeout?: number;
  /**
   * What becomes of what tasks print by `console`: `"inherit"` prints it as it comes, `"label"` with
   * the names of worker and task before each line, and a function takes it instead; what that throws
   * is a warning of the scope in which the executor is created. What goes to
   * `Deno.stdout` or `Deno.stderr` directly is never touched.
   *
   * @default {"inherit"}
   */
  output?: OutputOption;
}

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

const OPTIONS: ReadonlySet<string> = new Set(["maxWorkers", "workerType", "idleTimeout", "output"]);

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
  readonly #maxWorkers: number;
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
    const {
      maxWorkers = navigator.hardwareConcurrency,
      workerType = "web",
      idleTimeout = 10_000,
      output = "inherit",
    } = options;
    for (const name of Object.keys(options)) {
      if (OPTIONS.has(name)) continue;
      throw new TypeError(
        `Cannot create an executor: "${name}" is not an option; ` +
          `the options are ${[...OPTIONS].join(", ")}`,
      );
    }
    if (!Number.isInteger(maxWorkers) || maxWorkers < 1) {
      throw new RangeError(
        `Cannot create an executor as \`maxWorkers\` must be a positive integer: ${maxWorkers}`,
      );
    }
    if (!(idleTimeout >= 0)) {
      throw new RangeError(
        `Cannot create an executor as \`idleTimeout\` must not be negative: ${idleTimeout}`,
      );
    }
    if (!WORKER_TYPES.includes(workerType)) {
      throw new TypeError(
        `Cannot create an executor: \`workerType\` is one of ${WORKER_TYPES.join(", ")}, ` +
          `not ${JSON.stringify(workerType)}`,
      );
    }
    this.#maxWorkers = maxWorkers;
    this.#engine = new LateEngine({
      maxWorkers,
      workerType,
      idleTimeout,
      output: toOutputTaker(output, currentScope().warn),
    });
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
   * worker imports for a task would otherwise start workers for ever.
   */
  submit<A extends readonly unknown[], R>(
    task: Task<A, R>,
    ...args: DeferredArguments<A>
  ): Future<R> {
    // The definition is that of `task`, so its function returns what `task` does.
    return this.#submit(task, args, this.#engine) as Future<R>;
  }

  /**
   * A view of this executor whose calls are made with options: a signal, a deadline and more.
   *
   * @param options The options.
   * @returns The view, on the same workers and the same queue.
   * @throws {TypeError} When an option is unknown or of the wrong type.
   * @throws {RangeError} When a number is out of range.
   *
   * @example Give a call up
   * ```ts
   * import { Executor, task } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const hang = task(import.meta, () => new Promise<void>(() => {}), { name: "hang" });
   *
   * const executor = new Executor({ workerType: "inline" });
   * const controller = new AbortController();
   * const future = executor.with({ signal: controller.signal }).submit(hang);
   * controller.abort("not needed any more");
   * assertEquals(await future.catch((reason) => reason), "not needed any more");
   * executor.terminate();
   * ```
   */
  with(options: CallOptions): ExecutorView {
    return new ExecutorView({
      maxWorkers: this.#maxWorkers,
      runnerWith: (options) => ({
        run: (ready) => this.#engine.run(ready, options),
        attempt: (remembered) => this.#engine.attempt(remembered, options),
        alone: (remembered) => this.#engine.alone(remembered, options),
      }),
      submit: (task, args, runner) => this.#submit(task, args, runner),
    }, options);
  }

  #submit(task: unknown, args: readonly unknown[], runner: CallRunner): Future<unknown> {
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
    const future = answerCall(definition, args, scope, runner);
    this.#unsettled.add(future);
    future.onDone(() => {
      this.#unsettled.delete(future);
      if (this.#unsettled.size === 0) this.#drained?.resolve();
    });
    return future;
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
   * How many calls wait and run, and how many workers there are.
   *
   * @returns The counts.
   */
  statistics(): DispatcherStatistics {
    return this.#engine.statistics();
  }

  /**
   * Takes no more calls, and ends the workers when those submitted have settled. A worker that is
   * busy with a call that was given up, and cannot be stopped, is told of in a warning by its name.
   *
   * @param options Whether to wait, and whether calls that have not started are cancelled.
   */
  async shutdown(options: ShutdownOptions = {}): Promise<void> {
    const { wait = true, cancelPending = false } = options;
    this.#accepting = false;
    if (cancelPending) {
      for (const future of this.#unsettled) future.cancel();
    }
    const ended = this.#end(currentScope());
    if (wait) await ended;
    // Nobody waits, and what a worker's end could report was reported to the calls.
    else ended.catch(() => {});
  }

  /**
   * Ends the workers now, as far as their kind allows: the calls that run reject with
   * `WorkerDiedError`, and their signals abort.
   */
  terminate(): void {
    this.#accepting = false;
    this.#engine.terminate();
  }

  /** Waits for the calls that were submitted, then ends the workers. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  async #end({ warn }: Scope): Promise<void> {
    if (this.#unsettled.size > 0) {
      this.#drained ??= Promise.withResolvers<void>();
      await this.#drained.promise;
    }
    await this.#engine.close(warn);
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
