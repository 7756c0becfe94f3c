import { abortable } from "../base/abortable.ts";
import { checkOptions, oneOf, type OptionRules, SIGNAL } from "../base/check_options.ts";
import { ScopeClosedError } from "../base/errors.ts";
import { callSafely, type QuiverWarning, toWarning, writeWarning } from "../base/warning.ts";
import { currentScope } from "../scope/current_scope.ts";
import {
  assertDepth,
  assertInsideCall,
  type Scope,
  toWorkerContextSettings,
  type WorkerContextOptions,
  type WorkerContextSettings,
} from "../scope/scope.ts";
import {
  answerCall,
  type CallRunner,
  followSignal,
  type ReadyCall,
  toAborted,
} from "../task/call_task.ts";
import { requireDefinition } from "../task/definition.ts";
import { type CallTracker, Future } from "../task/future.ts";
import { type DeferredArguments, scopeOf, type Task } from "../task/task.ts";
import type { WorkerStatistics } from "./dispatch/worker_statistics.ts";
import { LateEngine } from "./engine/lazy_engine.ts";
import { UnhandledFailures } from "./unhandled_failures.ts";

/** Decides how many calls run at once: each holds a permit while a worker has it. */
export interface Limiter {
  /**
   * Takes a permit.
   *
   * @returns The permit, at once or when there is one; disposing it gives it back.
   */
  acquire(): Disposable | Promise<Disposable>;
}

/** One who waits for a permit. */
interface Waiter {
  readonly resolve: (permit: Disposable) => void;
  next: Waiter | undefined;
}

/** A limiter with a number of permits, first come, first served. */
class CountingLimiter implements Limiter {
  #free: number;
  /** A list, as taking from the front of a long array takes long. */
  #first: Waiter | undefined;
  #last: Waiter | undefined;

  /**
   * Creates a limiter.
   *
   * @param permits How many calls may run at once.
   */
  constructor(permits: number) {
    this.#free = permits;
  }

  acquire(): Disposable | Promise<Disposable> {
    if (this.#free > 0) {
      this.#free--;
      return this.#createPermit();
    }
    const { promise, resolve } = Promise.withResolvers<Disposable>();
    const waiter: Waiter = { resolve, next: undefined };
    if (this.#last === undefined) this.#first = waiter;
    else this.#last.next = waiter;
    this.#last = waiter;
    return promise;
  }

  #createPermit(): Disposable {
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (held) this.#release();
        held = false;
      },
    };
  }

  #release(): void {
    const waiter = this.#first;
    if (waiter === undefined) {
      this.#free++;
      return;
    }
    this.#first = waiter.next;
    if (waiter.next === undefined) this.#last = undefined;
    waiter.resolve(this.#createPermit());
  }
}

/** Runs calls when a limiter lets them; what the cache answers needs no permit. */
function limit(runner: CallRunner, limiter: Limiter): CallRunner {
  return {
    run: async (ready) => {
      const acquired = limiter.acquire();
      using _permit = acquired instanceof Promise ? await untilGivenUp(acquired, ready) : acquired;
      return await runner.run(ready);
    },
  };
}

/** Waits for a permit until the call is given up; a permit that comes later goes back at once. */
async function untilGivenUp(
  acquired: Promise<Disposable>,
  { status, scope }: ReadyCall,
): Promise<Disposable> {
  try {
    return await abortable(acquired, status.cancellation);
  } catch (error) {
    const warn = toWarning(scope.warn);
    const message = "Cannot give a permit back that nobody needs any more";
    acquired.then(
      (permit) => callSafely(() => permit[Symbol.dispose](), (cause) => warn({ message, cause })),
      // What the limiter throws then, nobody waits for any more.
      () => {},
    );
    throw error;
  }
}

/** Options of `WorkerContext.run`. */
export interface WorkerRunOptions {
  /** Gives the call up, with the signal's reason; the future rejects at once. */
  signal?: AbortSignal;
  /**
   * What becomes of a call that runs when its signal aborts: `"detach"` lets it go on until its end,
   * and nobody waits for it, `"terminate"` ends its worker. A Web Worker that computes goes on until
   * its code waits for something, and code in this isolate (`"inline"`) until its end, whatever is
   * said here.
   *
   * @default {"terminate" for process workers, else "detach"}
   */
  onAbort?: "terminate" | "detach";
  /**
   * Decides when the call may run. What the cache knows is answered without asking it.
   *
   * @default {defaultLimiter(), but nothing limits calls in this isolate (`"inline"`), which has one
   * processor only, and where a call may be made by another one that waits for it; nor calls that a
   * call on a worker makes, as there the number of workers is bounded}
   */
  limiter?: Limiter;
}

/**
 * Workers that are kept warm under one policy. There is no queue and no pool that could break: a call
 * takes the worker that was used last, or a new one, and whatever happens to that worker concerns
 * this call alone.
 */
export interface WorkerContext extends AsyncDisposable {
  /**
   * Runs a call on a worker, unless the cache of the scope knows its result.
   *
   * @typeParam A The task's arguments.
   * @typeParam R What the task returns.
   * @param task The task.
   * @param args The arguments, or futures of them at any depth.
   * @param options When to give the call up, and what limits it.
   * @returns The future of the result. It rejects with what the task threw, with the signal's reason,
   * with `WorkerDiedError` when the worker died, with `WorkerInitError` when none could start, with
   * `UnclonableError` when an argument or the result cannot travel, and with `ScopeClosedError` after
   * the context was closed.
   * @throws {TypeError} When the function is not a task, or an option is unknown.
   * @throws {NestedExecutorError} When the code runs in a worker but in no call, or ten calls on
   * workers are around it.
   */
  run<A extends readonly unknown[], R>(
    task: Task<A, R>,
    args: DeferredArguments<A>,
    options?: WorkerRunOptions,
  ): Future<R>;
  /**
   * How many workers there are, and what they do.
   *
   * @returns The counts of this moment.
   */
  statistics(): WorkerStatistics;
  /**
   * Takes no more calls, waits for those that run, then ends the workers.
   *
   * @throws {WorkersKilledError} When workers did not end within the grace period.
   * @throws {WorkerDiedError} When `retire` has failed in a worker.
   * @throws {UnhandledFailuresError} When calls have failed, and nobody has looked at their futures.
   */
  close(): Promise<void>;
  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens a context of workers of its own. No worker starts before there is a call.
 *
 * Requires `--allow-read` of Quiver's own files and of the modules of the tasks.
 *
 * @param options What the workers are, and how long they stay.
 * @returns The context.
 * @throws {TypeError} When an option is unknown or of the wrong type.
 * @throws {RangeError} When a number is out of range.
 *
 * @example Keep workers that have set something up
 * ```ts
 * import { task } from "@quiver/quiver";
 * import { openWorkerContext } from "@quiver/quiver/workers";
 * import { assertEquals } from "@std/assert";
 *
 * const model = { weight: 0 };
 * const load = task(import.meta, (weight: number) => void (model.weight = weight), { name: "load" });
 * const predict = task(import.meta, (x: number) => x * model.weight, { name: "predict" });
 *
 * await using context = openWorkerContext({ workerType: "inline", init: { task: load, args: [3] } });
 * assertEquals(await context.run(predict, [14]), 42);
 * assertEquals(context.statistics().idle, 1);
 * ```
 */
export function openWorkerContext(options: WorkerContextOptions = {}): WorkerContext {
  return new OpenWorkerContext(toWorkerContextSettings(options, "open a worker context"));
}

const RUN_RULES: OptionRules<WorkerRunOptions> = {
  signal: SIGNAL,
  onAbort: oneOf(["terminate", "detach"]),
  limiter: {
    allows: (value) => hasMethod(value, "acquire"),
    says: () => ": `limiter` has no function `acquire`",
  },
};

const LIMITER = new CountingLimiter(navigator.hardwareConcurrency);
const PERMIT: Disposable = { [Symbol.dispose]: () => {} };
const UNLIMITED: Limiter = { acquire: () => PERMIT };

/**
 * The limiter of calls that are given none: as many run at once as the machine has processors, in
 * all worker contexts of this isolate together. Executors do not ask it.
 *
 * @returns The limiter, always the same.
 *
 * @example Hold a permit for work of another kind
 * ```ts
 * import { defaultLimiter } from "@quiver/quiver/workers";
 * import { assert } from "@std/assert";
 *
 * using permit = await defaultLimiter().acquire();
 * assert(permit);
 * ```
 */
export function defaultLimiter(): Limiter {
  return LIMITER;
}

type State =
  | { readonly state: "open" }
  | { readonly state: "closed"; readonly done: Promise<void> };

/** A context; users get it from {@linkcode openWorkerContext}, scopes make their own. */
class OpenWorkerContext implements WorkerContext {
  readonly #engine: LateEngine;
  readonly #runner: CallRunner;
  readonly #failures = new UnhandledFailures();
  /** How many calls were made and have not settled, in whatever state. */
  #unsettled = 0;
  readonly #tracker: CallTracker = {
    derived: this.#failures.derived,
    began: () => void this.#unsettled++,
    ended: () => {
      this.#unsettled--;
      if (this.#unsettled === 0) this.#drained?.resolve();
    },
    failed: (call, reason) => this.#failures.add(call, reason),
    seen: (call) => this.#failures.delete(call),
  };
  #drained: PromiseWithResolvers<void> | undefined;
  #state: State = { state: "open" };

  /**
   * Creates a context without workers.
   *
   * @param settings What the workers are.
   * @param endFailed Is told what went wrong at a worker's end; else whoever closes the context is.
   */
  constructor(settings: WorkerContextSettings, endFailed?: (error: unknown) => void) {
    // Sent ahead, a call would wait for the end of another one that its own limiter lets run.
    this.#engine = new LateEngine({
      ...settings,
      prefetch: 1,
      endFailed,
      startFailed: writeWarning,
    });
    const limiter = settings.workerType === "inline" ? UNLIMITED : LIMITER;
    this.#runner = limit(this.#engine, limiter);
  }

  run<A extends readonly unknown[], R>(
    task: Task<A, R>,
    args: DeferredArguments<A>,
    options: WorkerRunOptions = {},
  ): Future<R> {
    checkOptions("run on a worker", options, RUN_RULES);
    const { signal, onAbort, limiter } = options;
    const definition = requireDefinition(task, "submit");
    const { name } = definition;
    if (!Array.isArray(args)) {
      throw new TypeError(
        `Cannot run "${name}" on a worker: its arguments come in an array, as in \`[argument]\``,
      );
    }
    const scope = scopeOf(task);
    if (this.#state.state === "closed") {
      const message =
        `Cannot run "${name}" on a worker: the context of the workers, or the scope ` +
        "that owns them, was closed";
      const refused = () => Promise.reject(new ScopeClosedError(message));
      return new Future(name, refused, this.#failures.refused);
    }
    assertDepth(name, scope);
    assertInsideCall(name, scope);
    if (signal?.aborted) return toAborted(name, signal.reason);
    const runner = this.#runnerWith(limiter, scope);
    const tracker = this.#tracker;
    const future = answerCall(definition, args, scope, runner, { tracker, onAbort });
    if (signal !== undefined) followSignal(future, signal);
    // The definition is that of `task`, so its function returns what `task` does.
    return future as Future<R>;
  }

  statistics(): WorkerStatistics {
    return this.#engine.statistics();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  close(): Promise<void> {
    if (this.#state.state === "open") {
      const ended = this.#end(toWarning(currentScope().warn));
      const done = this.#failures.conclude(ended, { pending: () => this.#unsettled });
      this.#state = { state: "closed", done };
    }
    return this.#state.done;
  }

  /** Below a call on a worker it is the workers that are counted, and permits could run out. */
  #runnerWith(limiter: Limiter | undefined, { nesting }: Scope): CallRunner {
    if (limiter !== undefined) return limit(this.#engine, limiter);
    return nesting === undefined ? this.#runner : this.#engine;
  }

  async #end(warn: (warning: QuiverWarning) => void): Promise<void> {
    if (this.#unsettled > 0) {
      this.#drained ??= Promise.withResolvers<void>();
      await this.#drained.promise;
    }
    await this.#engine.close({ warn: (message) => warn({ message }) });
  }
}

/** Options of {@linkcode runInWorker}. */
export interface RunInWorkerOptions extends WorkerRunOptions {
  /**
   * Whose workers run the call.
   *
   * @default {the innermost scope's that has workers of its own, else the program's}
   */
  context?: WorkerContext;
}

const RUN_IN_WORKER_RULES: OptionRules<RunInWorkerOptions> = {
  ...RUN_RULES,
  context: {
    allows: (value) => hasMethod(value, "run"),
    says: () => ": `context` is no worker context; open one with `openWorkerContext()`",
  },
};

function hasMethod(value: unknown, name: string): boolean {
  return typeof value === "object" && value !== null &&
    typeof Reflect.get(value, name) === "function";
}

/**
 * How long workers of the program stay without work, in milliseconds. They keep it alive that long
 * after its last call, and a program that calls again just too late starts a worker in a twentieth of
 * that time.
 */
const IDLE_TIMEOUT = 1000;

/** The workers of the program: the one context that nobody opens or closes. */
class ProgramWorkers {
  #context = this.#create({});

  /** The context that holds now. */
  get context(): OpenWorkerContext {
    return this.#context;
  }

  /** Puts another context in place, and ends the workers of the one before. */
  configure(options: WorkerContextOptions): Promise<void> {
    const before = this.#context;
    this.#context = this.#create(options);
    return before.close();
  }

  #create(options: WorkerContextOptions): OpenWorkerContext {
    return new OpenWorkerContext(
      toWorkerContextSettings(
        { idleTimeout: IDLE_TIMEOUT, ...options },
        "configure the default context",
      ),
      // Nobody closes it who could be told.
      (cause) => writeWarning({ message: "Cannot end a worker as it should", cause }),
    );
  }
}

// Like the registry of tasks, there is one: workers of the program are an agreement of all its parts.
const PROGRAM = new ProgramWorkers();

/**
 * Runs a call on a worker, unless the cache of the scope knows its result. The worker is the one of
 * the scope's (or program's) that was used last and is idle, or a new one. It stays warm for the next
 * call; nothing needs to be opened or closed. Where nothing may be left behind, as in a test, give a
 * scope workers of its own.
 *
 * Requires `--allow-read` of Quiver's own files and of the modules of the tasks.
 *
 * @typeParam A The task's arguments.
 * @typeParam R What the task returns.
 * @param task The task.
 * @param args The arguments, or futures of them at any depth.
 * @param options When to give the call up, what limits it, and whose workers run it.
 * @returns The future of the result, as of `WorkerContext.run`.
 * @throws {TypeError} When the function is not a task, or an option is unknown.
 * @throws {NestedExecutorError} When the code runs in a worker but in no call.
 *
 * @example Run a call on a worker of the scope's own
 * ```ts
 * import { cacheScope, task } from "@quiver/quiver";
 * import { defaultContextStatistics, runInWorker } from "@quiver/quiver/workers";
 * import { assertEquals } from "@std/assert";
 *
 * const square = task(import.meta, (n: number) => n * n, { name: "square" });
 *
 * await cacheScope({ workers: { workerType: "inline" } }, async () => {
 *   assertEquals(await runInWorker(square, [12]), 144);
 *   assertEquals(defaultContextStatistics().idle, 1);
 * });
 * ```
 */
export function runInWorker<A extends readonly unknown[], R>(
  task: Task<A, R>,
  args: DeferredArguments<A>,
  options: RunInWorkerOptions = {},
): Future<R> {
  checkOptions("run on a worker", options, RUN_IN_WORKER_RULES);
  const { context = contextHere(), ...runOptions } = options;
  return context.run(task, args, runOptions);
}

/**
 * Sets what the workers of the program are: those that run calls outside of scopes with workers of
 * their own. What the options do not say is as it was at first, not as it was configured before.
 * Of workers that end badly the program is warned, as nobody closes this context.
 *
 * @param options What the workers are; `idleTimeout` is 1000 if not given, as idle workers keep the
 * program alive.
 * @returns Resolves when the calls on the workers of before have ended, and these with them.
 * @throws {TypeError} When an option is unknown or of the wrong type.
 * @throws {RangeError} When a number is out of range.
 *
 * @example Run everything in this isolate, to debug it
 * ```ts
 * import { task } from "@quiver/quiver";
 * import { configureDefaultContext, runInWorker } from "@quiver/quiver/workers";
 * import { assertEquals } from "@std/assert";
 *
 * const half = task(import.meta, (n: number) => n / 2, { name: "half" });
 *
 * await configureDefaultContext({ workerType: "inline" });
 * assertEquals(await runInWorker(half, [8]), 4);
 * await configureDefaultContext({});
 * ```
 */
export function configureDefaultContext(options: WorkerContextOptions): Promise<void> {
  return PROGRAM.configure(options);
}

/**
 * How many workers there are for {@linkcode runInWorker} here, and what they do.
 *
 * @returns The counts of this moment: of the innermost scope's workers, else of the program's.
 *
 * @example See that there is none before the first call
 * ```ts
 * import { cacheScope } from "@quiver/quiver";
 * import { defaultContextStatistics } from "@quiver/quiver/workers";
 * import { assertEquals } from "@std/assert";
 *
 * await cacheScope({ workers: {} }, () => {
 *   assertEquals(defaultContextStatistics().workers, 0);
 * });
 * ```
 */
export function defaultContextStatistics(): WorkerStatistics {
  return contextHere().statistics();
}

function contextHere(): OpenWorkerContext {
  return currentScope().workers?.use(OpenWorkerContext) ?? PROGRAM.context;
}
