import { currentScope } from "../scope/current_scope.ts";
import { toWorkerContextSettings, type WorkerContextOptions } from "../scope/scope_workers.ts";
import type { Future } from "../task/future.ts";
import type { DeferredArguments, Task } from "../task/task.ts";
import { writeWarning } from "../warning.ts";
import type { DispatcherStatistics } from "./dispatcher.ts";
import {
  checkRunNames,
  OpenWorkerContext,
  RUN_OPTIONS,
  type WorkerContext,
  type WorkerRunOptions,
} from "./worker_context.ts";

/** Options of {@linkcode runInWorker}. */
export interface RunInWorkerOptions extends WorkerRunOptions {
  /**
   * Whose workers run the call.
   *
   * @default {the innermost scope's that has workers of its own, else the program's}
   */
  context?: WorkerContext;
}

const OPTIONS = [...RUN_OPTIONS, "context"];

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
    return before[Symbol.asyncDispose]();
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
 * import { cacheScope, defaultContextStatistics, runInWorker, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const square = task(import.meta, (n: number) => n * n, { name: "square" });
 *
 * await cacheScope({ workers: { type: "inline" } }, async () => {
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
  checkRunNames(options, OPTIONS);
  const { context = contextHere(), ...runOptions } = options;
  if (typeof context?.run !== "function") {
    throw new TypeError(
      "Cannot run on a worker: `context` is no worker context; open one with `openWorkerContext()`",
    );
  }
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
 * import { configureDefaultContext, runInWorker, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const half = task(import.meta, (n: number) => n / 2, { name: "half" });
 *
 * await configureDefaultContext({ type: "inline" });
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
 * import { cacheScope, defaultContextStatistics } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * await cacheScope({ workers: {} }, () => {
 *   assertEquals(defaultContextStatistics().workers, 0);
 * });
 * ```
 */
export function defaultContextStatistics(): DispatcherStatistics {
  return contextHere().statistics();
}

function contextHere(): OpenWorkerContext {
  return currentScope().workers?.use(OpenWorkerContext) ?? PROGRAM.context;
}
