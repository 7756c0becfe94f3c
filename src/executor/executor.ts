import { ExecutorShutdownError } from "../errors.ts";
import { currentScope } from "../scope/current_scope.ts";
import type { Scope } from "../scope/scope.ts";
import { answerCall, type CallRunner } from "../task/answer_call.ts";
import { scopeOf } from "../task/bound_task.ts";
import { Future } from "../task/future.ts";
import { requireDefinition } from "../task/registry.ts";
import type { DeferredArguments, Task } from "../task/task.ts";
import { WORKER_TYPES, type WorkerType } from "../worker/worker.ts";
import { batchFutures } from "./as_completed.ts";
import type { CallOptions } from "./call_options.ts";
import type { DispatcherStatistics } from "./dispatcher.ts";
import { ExecutorView } from "./executor_view.ts";
import { LateEngine } from "./late_engine.ts";
import type { MapExecutor } from "./map_caller.ts";
import { type MapOptions, mapTask } from "./map_task.ts";
import { type OutputOption, toOutputTaker } from "./output.ts";
import { refuseOutsideOfCall } from "./refuse_outside_of_call.ts";

/** Options of {@linkcode Executor}. */
export interface ExecutorOptions {
  /**
   * How many workers run at once at most.
   *
   * @default {navigator.hardwareConcurrency}
   */
  maxWorkers?: number;
  /**
   * What a worker is: `"web"` a Web Worker, `"process"` a process of its own, which can be killed
   * and takes nobody with it when it crashes, `"inline"` this isolate (for tests and debugging).
   *
   * Workers of the kind `"process"` require `--allow-run` of Deno's own executable, `--allow-env`,
   * and `--allow-read` and `--allow-write` of the folder for temporary files.
   *
   * @default {"web"}
   */
  workerType?: WorkerType;
  /**
   * What a worker of the kind `"process"` may do. `"inherit"` passes on each permission that this
   * program has in full; one that it has for certain paths or hosts only cannot be told from one
   * that it has not: name these here.
   *
   * @default {"inherit"}
   */
  permissions?: Deno.PermissionOptions;
  /** Variables added to the environment of workers of the kind `"process"`. */
  env?: { readonly [name: string]: string };
  /**
   * Further flags of `deno run` for workers of the kind `"process"`, such as
   * `--v8-flags=--max-old-space-size=512`, `--import-map=…` or `--unstable-kv`. The `deno.json` that
   * this program found is passed on without being named.
   */
  flags?: readonly string[];
  /**
   * How long a worker stays without work before it is ended, in milliseconds. A program does not end
   * by itself while it has a worker of the kinds `"web"` and `"process"`.
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

/** The kinds of worker that are in this process. */
const SHARE_MEMORY: ReadonlySet<WorkerType> = new Set<WorkerType>(["web", "inline"]);

/** What only a process can be given. */
const PROCESS_OPTIONS = ["permissions", "env", "flags"] as const;
const OPTIONS: ReadonlySet<string> = new Set([
  "maxWorkers",
  "workerType",
  "idleTimeout",
  "output",
  ...PROCESS_OPTIONS,
]);

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
  readonly #mapExecutor: MapExecutor;
  /** Calls that were submitted and have not settled, in whatever state. */
  readonly #unsettled = new Set<Future<unknown>>();
  readonly #forget = (future: Future<unknown>): void => {
    this.#unsettled.delete(future);
    if (this.#unsettled.size === 0) this.#drained?.resolve();
  };
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
    const processOption = PROCESS_OPTIONS.find((name) => options[name] !== undefined);
    if (processOption !== undefined && workerType !== "process") {
      throw new TypeError(
        `Cannot create an executor: \`${processOption}\` is for workers of the kind "process", ` +
          `not ${JSON.stringify(workerType)}`,
      );
    }
    this.#maxWorkers = maxWorkers;
    this.#engine = new LateEngine({
      maxWorkers,
      workerType,
      idleTimeout,
      output: toOutputTaker(output, currentScope().warn),
      processOptions: options,
    });
    this.#mapExecutor = {
      maxWorkers,
      sharesMemory: SHARE_MEMORY.has(workerType),
      dispatcher: { run: (request, observer = {}) => this.#engine.send(request, observer) },
      refuse: (name, scope) => this.#refuse(name, scope),
      track: (future) => this.#track(future),
    };
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
      ...this.#mapExecutor,
      runnerWith: (options) => ({
        run: (ready) => this.#engine.run(ready, options),
        attempt: (remembered) => this.#engine.attempt(remembered, options),
        alone: (remembered) => this.#engine.alone(remembered, options),
      }),
      submit: (task, args, runner) => this.#submit(task, args, runner),
    }, options);
  }

  #submit(task: object, args: readonly unknown[], runner: CallRunner): Future<unknown> {
    const definition = requireDefinition(task, "submit");
    const scope = scopeOf(task);
    const refused = this.#refuse(definition.name, scope);
    if (refused !== undefined) return refused;
    const future = answerCall(definition, args, scope, runner);
    this.#track(future);
    return future;
  }

  /**
   * Calls a task for each item, on the workers, and gives the results in the order of the items, or
   * as they come. Nothing is called before the first result is asked for; only `bufferSize` items are
   * under way at once, so that the input may be endless. Short calls travel in chunks.
   *
   * Leaving the loop early cancels what has not started. What a call throws is thrown in the place of
   * its result, and ends the iteration; what the input throws is thrown after the results of the items
   * before.
   *
   * @typeParam T An item: the task's one argument.
   * @typeParam R What the task returns.
   * @param task The task.
   * @param items The items, or an async iterable of them.
   * @param options Chunks, buffer, order, progress, cancellation.
   * @returns The results.
   * @throws {TypeError} When the function is not a task, or an option is unknown.
   * @throws {RangeError} When a number is out of range.
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
    const target = { definition: requireDefinition(task, "map"), scope: scopeOf(task) };
    return mapTask(this.#mapExecutor, target, items, options);
  }

  /**
   * Groups futures by the order in which they are done, so that what comes next can begin with the
   * first few results: a group is a future, and so an argument for another call.
   *
   * Futures that fail are left to the last groups. A group that holds one rejects with the reason of
   * its first; all before hold results only.
   *
   * @typeParam T What a future gives.
   * @param futures The futures; one that is there twice counts once.
   * @param size How many make a group; the last may have fewer.
   * @returns The groups, in the order in which they will be done.
   * @throws {RangeError} When the size is not a positive integer.
   * @throws {TypeError} When something is no future.
   *
   * @example Add up results two by two
   * ```ts
   * import { Executor, task } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const same = task(import.meta, (n: number) => n, { name: "same" });
   * const sum = task(import.meta, (all: number[]) => all.reduce((a, b) => a + b, 0), { name: "sum" });
   *
   * await using executor = new Executor({ workerType: "inline", maxWorkers: 1 });
   * const futures = [1, 2, 3, 4].map((n) => executor.submit(same, n));
   * const sums = executor.batched(futures, 2).map((group) => executor.submit(sum, group));
   * assertEquals(await Promise.all(sums), [3, 7]);
   * ```
   */
  batched<T>(futures: Iterable<PromiseLike<T>>, size: number): Future<T[]>[] {
    return batchFutures(futures, size);
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

  /** What is left of a call that the executor does not take. */
  #refuse(name: string, scope: Scope): Future<never> | undefined {
    if (this.#accepting) return refuseOutsideOfCall(name, scope);
    const error = new ExecutorShutdownError(`Cannot submit "${name}": the executor was shut down`);
    return new Future(name, () => Promise.reject(error));
  }

  /** Shutdown waits for the call. */
  #track(future: Future<unknown>): void {
    this.#unsettled.add(future);
    future.onDone(this.#forget);
  }

  async #end({ warn }: Scope): Promise<void> {
    if (this.#unsettled.size > 0) {
      this.#drained ??= Promise.withResolvers<void>();
      await this.#drained.promise;
    }
    await this.#engine.close(warn);
  }
}
