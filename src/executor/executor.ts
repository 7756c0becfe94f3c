// Before all that needs a runtime, as it refuses others than Deno.
import "../base/ambient.ts";
import {
  BOOLEAN,
  checkOptions,
  numeric,
  oneOf,
  type OptionRules,
  SIGNAL,
  TIMEOUT,
} from "../base/check_options.ts";
import { ExecutorShutdownError } from "../base/errors.ts";
import { toWarning, type Warn } from "../base/warning.ts";
import { currentScope } from "../scope/current_scope.ts";
import { assertDepth, assertInsideCall, type Scope } from "../scope/scope.ts";
import { answerCall, type CallRunner, followSignal, toAborted } from "../task/call_task.ts";
import { assertAdmissible, checkRetries, RETRIES } from "../task/comforts.ts";
import { requireDefinition, type TaskDefinition } from "../task/definition.ts";
import { type CallStatus, type CallTracker, Future } from "../task/future.ts";
import { type DeferredArguments, scopeOf, type Task } from "../task/task.ts";
import { type Inspect, inspectSymbol } from "../value/symbols.ts";
import type { CallOptions } from "./call_options.ts";
import { LateEngine } from "./engine/lazy_engine.ts";
import { mayReadLess } from "../worker/worker.ts";
import type { MapExecutor } from "./map/map_caller.ts";
import { checkMapOptions, type MapOptions, mapTask, type SpreadItem } from "./map/map_task.ts";
import {
  checkMaxWorkers,
  type ExecutorOptions,
  type ExecutorSettings,
  type ExecutorStatistics,
  toExecutorSettings,
} from "./options.ts";
import { UnhandledFailures } from "./unhandled_failures.ts";
import { batchFutures } from "./wait.ts";

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

const SHUTDOWN_RULES: OptionRules<ShutdownOptions> = { wait: BOOLEAN, cancelPending: BOOLEAN };

/** Marks executors: another copy of Quiver has a class of its own. */
const EXECUTOR = Symbol.for("quiver.executor");

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
  readonly #mapExecutor: MapExecutor & Pick<ViewedExecutor, "admit">;
  readonly #failures = new UnhandledFailures();
  /** Calls that were submitted and have not settled, in whatever state. */
  readonly #unsettled = new Set<CallStatus>();
  /** Shutdown waits for the calls that it keeps. */
  readonly #tracker: CallTracker = {
    derived: this.#failures.derived,
    began: (call) => void this.#unsettled.add(call),
    ended: (call) => {
      this.#unsettled.delete(call);
      if (call.hit === true) this.#hits++;
      else if (call.key !== undefined && call.state === "done") this.#misses++;
      if (this.#unsettled.size === 0) this.#drained?.resolve();
    },
    failed: (call, reason) => this.#failures.add(call, reason),
    seen: (call) => this.#failures.delete(call),
  };
  readonly #wait = {
    pending: () => this.#unsettled.size,
    remedy: "`shutdown({ cancelPending: true })` gives up those that have not started",
  };
  #maxWorkers: number;
  #hits = 0;
  #misses = 0;
  #accepting = true;
  /** Told when it takes no more calls. */
  readonly #closing = new Set<() => void>();
  /** Made when somebody waits for the last call; waiting on the futures would hide their failures. */
  #drained: PromiseWithResolvers<void> | undefined;

  static {
    Object.defineProperty(this.prototype, EXECUTOR, { value: true });
  }

  /**
   * Tells executors by `instanceof`, those of another copy of Quiver included.
   *
   * @param value Perhaps an executor.
   * @returns Whether it is one.
   */
  static [Symbol.hasInstance](value: unknown): boolean {
    // A class that extends this one is known by itself.
    if (this !== Executor) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === "object" && value !== null && EXECUTOR in value;
  }

  /**
   * Creates an executor; no worker starts before there is work.
   *
   * @param options How many workers, of which kind.
   * @throws {TypeError} When an option is unknown or of the wrong type.
   * @throws {RangeError} When a number is out of range.
   */
  constructor(options: ExecutorOptions = {}) {
    const settings = this.#settings = toExecutorSettings(options);
    this.#maxWorkers = settings.maxWorkers;
    this.#engine = new LateEngine(settings);
    this.#mapExecutor = this.#openToMaps();
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
    // The definition is that of `task`, so its function returns what `task` does.
    return this.#submit(task, args) as Future<R>;
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
      runnerWith: (options) => ({ run: (ready) => this.active.#engine.run(ready, options) }),
      submit: (...call) => this.#submit(...call),
    }, options);
  }

  /**
   * Calls a task for each item, on the workers, and gives the results in the order of the items, or
   * as they come. Nothing is called before the first result is asked for; only `bufferSize` items are
   * under way at once, so that the input may be endless. Short calls travel in chunks.
   *
   * Leaving the loop early cancels what has not started, and waits for nothing: `return()`, and a stream
   * made of the iteration that is cancelled, end a `next()` that waits. What a call throws is thrown in
   * the place of its result, and ends the iteration; what the input throws is thrown after the results
   * of the items before.
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
    options: MapOptions & { spread?: false; onError: "yield" },
  ): AsyncGenerator<PromiseSettledResult<R>, void, void>;
  /** The same of a task with several parameters, whose items are its arguments. */
  map<A extends readonly unknown[], R>(
    task: Task<A, R>,
    items: Iterable<SpreadItem<A>> | AsyncIterable<SpreadItem<A>>,
    options: MapOptions & { spread: true; onError: "yield" },
  ): AsyncGenerator<PromiseSettledResult<R>, void, void>;
  /** The same of a task with several parameters, whose items are its arguments. */
  map<A extends readonly unknown[], R>(
    task: Task<A, R>,
    items: Iterable<SpreadItem<A>> | AsyncIterable<SpreadItem<A>>,
    options: MapOptions & { spread: true; onError?: "throw" | "skip" },
  ): AsyncGenerator<R, void, void>;
  /** The same of calls whose results are given alone. */
  map<T, R>(
    task: Task<[T], R>,
    items: Iterable<T> | AsyncIterable<T>,
    options?: MapOptions,
  ): AsyncGenerator<R, void, void>;
  map(
    task: Task<never, unknown>,
    items: Iterable<unknown> | AsyncIterable<unknown>,
    options: MapOptions = {},
  ): AsyncGenerator<unknown, void, void> {
    const target = { definition: requireDefinition(task, "map"), scope: scopeOf(task) };
    this.active.#admit(target.definition);
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
    return batchFutures(futures, size, this.#failures.derived);
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
    const calls = this.#engine.callStatistics();
    return { ...this.#engine.statistics(), ...calls, hits: this.#hits, misses: this.#misses };
  }

  /**
   * Takes no more calls, and ends the workers when those submitted have settled. A worker that is
   * busy with a call that was given up, and cannot be stopped, is told of in a warning by its name.
   *
   * @param options Whether to wait, and whether calls that have not started are cancelled.
   * @throws {TypeError} When an option is unknown or of the wrong type.
   * @throws {UnhandledFailuresError} When calls have failed, and nobody has looked at their futures by
   * then; but not those that were cancelled, or ended by `terminate()`. Whoever does not wait is not
   * told: then the end of the program tells of them.
   */
  async shutdown(options: ShutdownOptions = {}): Promise<void> {
    checkOptions("shut down an executor", options, SHUTDOWN_RULES);
    const { wait = true, cancelPending = false } = options;
    const { warn: warnInScope } = currentScope();
    const warn = (message: string) => toWarning(warnInScope)({ message });
    this.#stopAccepting();
    if (cancelPending) {
      this.#failures.expectCancellation();
      for (const call of this.#unsettled) call.cancel();
      // Those that were sent ahead are cancelled there; whoever ends the workers is told what it throws.
      this.#engine.close({ cancelPending, warn }).catch(() => {});
    }
    const ended = this.#end(warn);
    if (wait) await this.#failures.conclude(ended, this.#wait);
    // Nobody waits, and what a worker's end could report was reported to the calls.
    else ended.catch(() => {});
  }

  /**
   * Ends the workers now, as far as their kind allows: the calls that wait or run reject with
   * `ExecutorShutdownError`, and the signals of those that run abort.
   */
  terminate(): void {
    this.#stopAccepting();
    this.#failures.expectTermination();
    this.#engine.terminate();
  }

  /**
   * Waits for the calls that were submitted, then ends the workers, as `shutdown` does without options.
   *
   * @throws {UnhandledFailuresError} When calls have failed, and nobody has looked at their futures.
   */
  async close(): Promise<void> {
    await this.shutdown();
  }

  /** The same as `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * What `console.log` shows: the workers and the queue.
   *
   * @internal
   */
  [inspectSymbol](inspect: Inspect, options: Deno.InspectOptions): string {
    const { workers, idle, running, queued, lost } = this.#engine.statistics();
    const shown = {
      workerType: this.#settings.workerType,
      maxWorkers: this.#maxWorkers,
      workers,
      idle,
      running,
      queued,
      ...(lost > 0 && { lost }),
      ...(this.closed && { closed: true }),
    };
    return `${this.constructor.name} ${inspect(shown, options)}`;
  }

  /**
   * The executor that takes the calls: this one, unless another has taken its place.
   *
   * @internal
   */
  protected get active(): Executor {
    return this;
  }

  #submit(
    task: object,
    args: readonly unknown[],
    { runner = this.active.#engine, priority }: Partial<SubmitOptions> = {},
  ): Future<unknown> {
    const definition = requireDefinition(task, "submit");
    const scope = scopeOf(task);
    const executor = this.active;
    if (definition.comforts !== undefined) executor.#admit(definition);
    const refused = executor.#refuse(definition.name, scope);
    if (refused !== undefined) return refused;
    return answerCall(definition, args, scope, runner, { tracker: executor.#tracker, priority });
  }

  /** What a map needs; another executor may take the place of this one while it goes on. */
  #openToMaps(): MapExecutor & Pick<ViewedExecutor, "admit"> {
    const { workerType, processOptions, retries } = this.#settings;
    return {
      maxWorkers: () => this.active.#maxWorkers,
      loadsCode: workerType !== "inline",
      handsCode: mayReadLess(workerType, processOptions),
      retries,
      admit: (definition) => this.active.#admit(definition),
      dispatcher: { dispatch: (...call) => this.active.#engine.dispatch(...call) },
      refuse: (name, scope) => this.active.#refuse(name, scope),
      tracker: () => this.active.#tracker,
      onClose: (listener) => {
        const { active } = this;
        active.#closing.add(listener);
        return () => void active.#closing.delete(listener);
      },
    };
  }

  #stopAccepting(): void {
    this.#accepting = false;
    const listeners = [...this.#closing];
    this.#closing.clear();
    for (const listener of listeners) listener();
  }

  /** Refuses a task whose calls would wait for ever. */
  #admit(definition: TaskDefinition): void {
    assertAdmissible(definition, this.#settings.capacity);
  }

  /** What is left of a call that the executor does not take. */
  #refuse(name: string, scope: Scope): Future<never> | undefined {
    if (this.#accepting) {
      assertDepth(name, scope, this.#settings.maxDepth);
      return assertInsideCall(name, scope);
    }
    const error = new ExecutorShutdownError(`Cannot submit "${name}": the executor was shut down`);
    return new Future(name, () => Promise.reject(error), this.#failures.refused);
  }

  async #end(warn: Warn): Promise<void> {
    if (this.#unsettled.size > 0) {
      this.#drained ??= Promise.withResolvers<void>();
      await this.#drained.promise;
    }
    await this.#engine.close({ warn });
  }
}

/** How a view has its calls run. */
interface SubmitOptions {
  /** Runs the body. */
  readonly runner: CallRunner;
  /** Calls of a higher priority leave the queue first. */
  readonly priority: number | undefined;
}

/** The part of an executor that a view stands on. */
interface ViewedExecutor extends MapExecutor {
  /** Refuses a task whose calls would wait for ever. */
  admit(definition: TaskDefinition): void;
  /** Makes what runs calls with options. */
  runnerWith(options: CallOptions): CallRunner;
  /** Submits a call. */
  submit(task: object, args: readonly unknown[], options: SubmitOptions): Future<unknown>;
}

const CALL_RULES: OptionRules<CallOptions> = {
  signal: SIGNAL,
  deadline: TIMEOUT,
  onAbort: oneOf(["terminate", "detach"]),
  gracePeriod: TIMEOUT,
  priority: numeric("must be an integer", Number.isSafeInteger),
  retries: RETRIES,
};

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
    checkOptions("submit with options", options, CALL_RULES);
    checkRetries("submit with options", options.retries);
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
    const { signal, priority } = this.#options;
    if (signal?.aborted) return toAborted<R>(task.name, signal.reason);
    const options = { runner: this.#runner, priority };
    // The definition is that of `task`, so its function returns what `task` does.
    const future = this.#executor.submit(task, args, options) as Future<R>;
    if (signal !== undefined) followSignal(future, signal);
    return future;
  }

  /**
   * Calls a task for each item, as `Executor.map` does. With a deadline, each item travels alone. With
   * `retries`, an item that fails is run again alone, up to so many times. When a worker dies, items whose
   * results it has not sent yet are run again as well.
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
    options: MapOptions & { spread?: false; onError: "yield" },
  ): AsyncGenerator<PromiseSettledResult<R>, void, void>;
  /** The same of a task with several parameters, whose items are its arguments. */
  map<A extends readonly unknown[], R>(
    task: Task<A, R>,
    items: Iterable<SpreadItem<A>> | AsyncIterable<SpreadItem<A>>,
    options: MapOptions & { spread: true; onError: "yield" },
  ): AsyncGenerator<PromiseSettledResult<R>, void, void>;
  /** The same of a task with several parameters, whose items are its arguments. */
  map<A extends readonly unknown[], R>(
    task: Task<A, R>,
    items: Iterable<SpreadItem<A>> | AsyncIterable<SpreadItem<A>>,
    options: MapOptions & { spread: true; onError?: "throw" | "skip" },
  ): AsyncGenerator<R, void, void>;
  /** The same of calls whose results are given alone. */
  map<T, R>(
    task: Task<[T], R>,
    items: Iterable<T> | AsyncIterable<T>,
    options?: MapOptions,
  ): AsyncGenerator<R, void, void>;
  map(
    task: Task<never, unknown>,
    items: Iterable<unknown> | AsyncIterable<unknown>,
    options: MapOptions = {},
  ): AsyncGenerator<unknown, void, void> {
    checkMapOptions(options);
    const { signal = options.signal, ...callOptions } = this.#options;
    // To join one with itself would cost memory for as long as it is there.
    const joined = signal !== undefined && options.signal !== undefined && signal !== options.signal
      ? AbortSignal.any([signal, options.signal])
      : signal;
    const definition = requireDefinition(task, "map");
    this.#executor.admit(definition);
    return mapTask(
      { ...this.#executor, options: callOptions },
      { definition, scope: scopeOf(task) },
      items,
      { ...options, ...(joined !== undefined && { signal: joined }) },
    );
  }
}
