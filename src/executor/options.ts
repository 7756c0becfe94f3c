import {
  checkOptions,
  COUNT,
  COUNT_OR_INFINITY,
  FUNCTION,
  NOT_NEGATIVE,
  numeric,
  oneOf,
  type OptionRules,
  showOption,
  withFunctions,
} from "../base/check_options.ts";
import { type QuiverWarning, toSafeWarning, toWarning } from "../base/warning.ts";
import { currentScope } from "../scope/current_scope.ts";
import {
  AMOUNTS,
  type Capacity,
  checkRetries,
  numbersByName,
  RETRIES,
  type RetryOptions,
} from "../task/comforts.ts";
import {
  checkProcessOptions,
  HOOK,
  PROCESS_RULES,
  toHookCall,
  WORKER_TYPES,
  type WorkerHook,
  type WorkerType,
} from "../worker/worker.ts";
import type { CallStatistics, ExecutorObserver, WorkerOutputLine } from "./call_options.ts";
import type { WorkerStatistics } from "./dispatch/worker_statistics.ts";
import type { EngineOptions } from "./engine/engine.ts";
import { MAX_DEPTH } from "../scope/scope.ts";

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
   * and `--allow-read` and `--allow-write` of the folder for temporary files. A program that
   * `deno compile` has made has none: its calls reject with `WorkerInitError`.
   *
   * @default {"web"}
   */
  workerType?: WorkerType;
  /**
   * What a worker of the kind `"process"` may do. `"inherit"` passes on what this program may when the
   * worker starts, and never more: each permission that it has in full and, on Linux, what its flags
   * say of certain paths or hosts (`--allow-read=data`, `--deny-net=…`). What was granted at a prompt
   * or by a set of permissions (`-P`), hosts with a `*` and ranges of addresses are to be named here.
   * Whatever it may read, it loads Quiver and the modules of the program's tasks with all that these
   * import, but for what stands in an `import()` of something else than a text. A path may not have a
   * comma, unless as seen from the current folder it has none.
   *
   * @default {"inherit"}
   */
  permissions?: Deno.PermissionOptions;
  /** Variables added to the environment of workers of the kind `"process"`. */
  env?: { readonly [name: string]: string };
  /**
   * Further flags of `deno run` for workers of the kind `"process"`, such as
   * `--v8-flags=--max-old-space-size=512`. On Linux those of this program that code can notice are
   * passed on without being named (`--config`, `--import-map`, `--unstable-…`, `--v8-flags`, `--cert`,
   * `--location`, `--seed`…), and on all systems the `deno.json` that it found.
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
   * How long a worker may take to end when its calls have ended, in milliseconds; then it is killed,
   * and `shutdown` rejects with `WorkersKilledError`. Calls that were given up get as long at
   * shutdown; if this is not given they get no time, and other workers all they need.
   */
  gracePeriod?: number;
  /**
   * What becomes of what tasks print by `console`: `"inherit"` prints it as it comes, `"label"` with
   * the names of worker and task before each line, and a function takes it instead; what that throws
   * is a warning. What goes to `Deno.stdout` or `Deno.stderr` directly is never touched.
   *
   * @default {"inherit"}
   */
  output?: "inherit" | "label" | ((line: WorkerOutputLine) => void);
  /**
   * After how many calls a worker is replaced: what calls leave behind in it is gone with it.
   *
   * @default {Infinity}
   */
  maxTasksPerWorker?: number;
  /**
   * A worker whose heap and buffers take more than this after a call is replaced, in bytes. What waits
   * for the garbage collector counts, so that it should be several times what a call needs; so does, where
   * workers are `"inline"`, all that this isolate holds.
   *
   * @default {Infinity}
   */
  maxHeapBytes?: number;
  /**
   * How often a call is run again when the task throws or its worker dies. Errors of Quiver's own other
   * than `WorkerDiedError` (a failed dependency, a cancellation, a result that cannot travel) are final,
   * and so is every failure of a call whose argument was given away by `transfer()`.
   * A call whose worker died may have done part of its work. An object says how: with waits between, or
   * after which errors. What a task says of its own calls goes before.
   *
   * @default {0}
   */
  retries?: number | RetryOptions;
  /**
   * How many calls may run at once that count for something, by its name: licences of a program, or one
   * web service that several tasks use. `{ api: 3 }` is for tasks with the option `limits: ["api"]`.
   */
  limits?: { readonly [name: string]: number };
  /**
   * How much there is of what calls need, by name, such as `{ memory: 64e9, cores: 16, gpu: 2 }` in
   * whatever units the tasks' option `needs` counts: calls run at once as long as there is enough for all.
   * One that needs nothing, or of which nothing is said here, runs as soon as there is a worker. With
   * `cores`, `maxWorkers` is as many if it is not given.
   */
  has?: { readonly [name: string]: number };
  /**
   * How deep calls may be nested through executors: a task may use an executor, whose tasks may use
   * others. One that is deeper is refused with `NestedExecutorError`.
   *
   * @default {10}
   */
  maxDepth?: number;
  /**
   * How many workers there may be altogether: those of the executor, and of all executors that its tasks
   * open, at any depth. Each worker has an equal share of what the executor's own leave over; in an
   * executor that finds nothing left calls run `"inline"`. (In Deno 2.9 a Web Worker that is started in
   * another takes a second to start.)
   *
   * @default {3 * maxWorkers}
   */
  maxTotalWorkers?: number;
  /** Runs once in each new worker, before its first call; when it fails, calls reject with its error. */
  init?: WorkerHook;
  /** Runs in the worker after each call; when it returns something truthy, the worker is replaced. */
  retire?: WorkerHook;
  /** Follows calls and workers. */
  observer?: ExecutorObserver;
  /**
   * Told of what costs no call: an observer or a listener of output that throws, `init` that fails
   * (once, although each call rejects), and workers that the system does not give (once): calls wait for
   * those that there are, one more is tried from time to time, and only when there is none and five
   * attempts have failed do calls reject with `WorkerInitError`. By default warnings are written to
   * standard error, and those of output go to the scope in which the executor is created. What it was
   * not told, as it throws itself, is written, too.
   */
  onWarning?: (warning: QuiverWarning) => void;
}

const RULES: OptionRules<ExecutorOptions> = {
  maxWorkers: COUNT,
  workerType: oneOf(WORKER_TYPES),
  ...PROCESS_RULES,
  idleTimeout: NOT_NEGATIVE,
  gracePeriod: NOT_NEGATIVE,
  output: {
    allows: (value) => value === "inherit" || value === "label" || typeof value === "function",
    says: (name, value) =>
      `: \`${name}\` is one of inherit, label, or a function, not ${showOption(value)}`,
  },
  maxTasksPerWorker: COUNT_OR_INFINITY,
  maxHeapBytes: numeric("must be a positive number", (value) => value > 0),
  retries: RETRIES,
  limits: numbersByName("positive integers", (value) => COUNT.allows(value)),
  has: AMOUNTS,
  maxDepth: COUNT_OR_INFINITY,
  maxTotalWorkers: COUNT_OR_INFINITY,
  init: HOOK,
  retire: HOOK,
  observer: withFunctions([], [
    "queued",
    "started",
    "retried",
    "finished",
    "workerStarted",
    "workerEnded",
  ]),
  onWarning: FUNCTION,
};

/** What an executor is made of, everything decided. */
export interface ExecutorSettings extends EngineOptions {
  /** How deep calls may be nested through executors. */
  readonly maxDepth: number;
  /** How a call is run again when it fails. */
  readonly retries: number | RetryOptions;
  /** What there is that calls may need. */
  readonly capacity: Capacity;
}

/**
 * Checks the options of an executor, and decides what they leave open.
 *
 * @throws {TypeError} When an option is unknown or of the wrong type.
 * @throws {RangeError} When a number is out of range.
 */
export function toExecutorSettings(options: ExecutorOptions): ExecutorSettings {
  checkOptions("create an executor", options, RULES);
  checkRetries("create an executor", options.retries);
  const { limits, has } = options;
  const {
    maxWorkers = Math.max(1, Math.floor(has?.cores ?? navigator.hardwareConcurrency)),
    workerType = "web",
    idleTimeout = 10_000,
    gracePeriod,
    output = "inherit",
    maxTasksPerWorker = Infinity,
    maxHeapBytes = Infinity,
    retries = 0,
    maxDepth = MAX_DEPTH,
    maxTotalWorkers,
    init,
    retire,
    observer,
    onWarning,
  } = options;
  checkMaxWorkers(maxWorkers, maxTotalWorkers, "create an executor");
  checkProcessOptions(options, workerType, "create an executor");
  const hooks = {
    ...(init !== undefined && { init: toHookCall(init, "create an executor", "init") }),
    ...(retire !== undefined && { retire: toHookCall(retire, "create an executor", "retire") }),
  };
  const warn = toSafeWarning(onWarning);
  return {
    maxWorkers,
    workerType,
    processOptions: options,
    idleTimeout,
    gracePeriod,
    output,
    // Of these the scope decides, where the executor does not.
    outputFailed: onWarning === undefined ? toWarning(currentScope().warn) : warn,
    maxTasksPerWorker,
    maxHeapBytes,
    retries: typeof retries === "number" ? retries : { ...retries },
    // What the caller changes in them later does not count.
    capacity: { limits: limits && { ...limits }, has: has && { ...has } },
    maxDepth,
    hooks,
    onWarning: warn,
    ...(maxTotalWorkers !== undefined && { maxTotalWorkers }),
    ...(observer !== undefined && { observer }),
  };
}

/**
 * Checks a number of workers.
 *
 * @param maxTotalWorkers The most that it may be.
 * @param action What cannot be done with a wrong one.
 * @throws {RangeError} When it is not a positive integer, or more than there may be.
 */
export function checkMaxWorkers(
  maxWorkers: number,
  maxTotalWorkers: number | undefined,
  action: string,
): void {
  // Of an option that is left out there is a default, and of an argument none.
  const given = { maxWorkers: maxWorkers === undefined ? NaN : maxWorkers };
  checkOptions(action, given, { maxWorkers: COUNT });
  if (maxTotalWorkers === undefined || maxWorkers <= maxTotalWorkers) return;
  throw new RangeError(
    `Cannot ${action} as \`maxWorkers\` must not be more than \`maxTotalWorkers\` ` +
      `(${maxTotalWorkers}): ${maxWorkers}`,
  );
}

/** What an executor is doing, and has done. */
export interface ExecutorStatistics extends WorkerStatistics, CallStatistics {
  /** Calls that the cache answered, or whose result somebody else computed meanwhile. */
  readonly hits: number;
  /** Calls that a cache was asked for in vain; those without a cache count as neither. */
  readonly misses: number;
}
