import type { WorkerAllowance } from "../scope/scope.ts";
import type { OnAbort } from "../task/future.ts";
import type { QuiverWarning } from "../base/warning.ts";
import type { ProcessOptions, WorkerType } from "../worker/worker.ts";
import { SafeObserver } from "./_safe_observer.ts";
import { WorkerShare } from "./_worker_share.ts";
import { createRunner, type EngineRunner } from "./create_runner.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { ExecutorObserver } from "./executor_observer.ts";
import { openWorkerOfType } from "./open_worker.ts";
import type { OutputTaker } from "./output.ts";
import { warnOfFailedInit } from "./warn_of_failed_init.ts";
import type { WorkerHookCalls } from "./worker_hooks.ts";

/** The kinds of worker that can be stopped whatever they do. */
const KILLABLE: ReadonlySet<string> = new Set(["process"]);

/** What an executor runs on. */
export interface EngineOptions {
  /** How many workers run at once at most. */
  readonly maxWorkers: number;
  /** What a worker is. */
  readonly workerType: WorkerType;
  /** How long a worker stays without work, in milliseconds. */
  readonly idleTimeout: number;
  /** After how many milliseconds a worker that is to end is killed. */
  readonly gracePeriod?: number | undefined;
  /** Is told what went wrong at a worker's end; else whoever closes the dispatcher is. */
  readonly endFailed?: ((error: unknown) => void) | undefined;
  /** How many short calls a worker is sent ahead. */
  readonly prefetch?: number;
  /** What each worker does beside running calls. */
  readonly hooks?: WorkerHookCalls;
  /** What only workers of the kind `"process"` can be given. */
  readonly processOptions?: ProcessOptions;
  /** Takes what tasks print; it is printed by the workers when left out. */
  readonly output?: OutputTaker | undefined;
  /** After how many calls a worker is replaced; never, if not given. */
  readonly maxTasksPerWorker?: number;
  /** How much memory a worker may hold after a call, in bytes; all there is, if not given. */
  readonly maxHeapBytes?: number;
  /** How often a call is run again when it fails; never, if not given. */
  readonly retries?: number;
  /** How many workers there may be altogether, those of nested executors included. */
  readonly maxTotalWorkers?: number;
  /** Follows calls and workers. */
  readonly observer?: ExecutorObserver;
  /** Told of what costs no call; nobody is, if not given. */
  readonly onWarning?: (warning: QuiverWarning) => void;
}

/** What runs the calls of an executor. */
export interface Engine {
  /** Brings calls to workers. */
  readonly dispatcher: Dispatcher;
  /** Which workers it may start. */
  readonly share: WorkerShare;
  /** Runs the bodies of calls. */
  readonly runner: EngineRunner;
}

/**
 * Creates what runs the calls of an executor.
 *
 * @param options What it runs on.
 * @param allowance The workers that it may start, when it is nested.
 * @returns The engine; no worker starts before there is a call.
 */
export function createEngine(
  options: EngineOptions,
  allowance: WorkerAllowance | undefined,
): Engine {
  const {
    workerType: _type,
    maxHeapBytes = Infinity,
    maxTotalWorkers: _total,
    hooks,
    processOptions,
    observer,
    onWarning = () => {},
    ...dispatching
  } = options;
  const share = new WorkerShare({ ...options, maxHeapBytes }, allowance);
  const open = openWorkerOfType({
    type: share.workerType,
    ...hooks,
    ...(processOptions !== undefined && { processOptions }),
  });
  const onAbort: OnAbort = KILLABLE.has(share.workerType) ? "terminate" : "detach";
  const dispatcher = new Dispatcher({
    ...dispatching,
    maxWorkers: share.maxWorkers,
    open: hooks?.init === undefined ? open : warnOfFailedInit(open, onWarning),
    onAbort,
    limits: () => share.limits,
    observer: observer && new SafeObserver(observer, onWarning),
  });
  return { dispatcher, share, runner: createRunner(dispatcher, share.workerType !== "inline") };
}
