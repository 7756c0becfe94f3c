import type { WorkerAllowance } from "../scope/scope.ts";
import type { CallRunner } from "../task/answer_call.ts";
import type { QuiverWarning } from "../warning.ts";
import type { WorkerType } from "../worker/worker.ts";
import { SafeObserver } from "./_safe_observer.ts";
import { WorkerShare } from "./_worker_share.ts";
import { createRunner } from "./create_runner.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { ExecutorObserver } from "./executor_observer.ts";
import { openWorkerOfType } from "./open_worker.ts";
import { warnOfFailedInit } from "./warn_of_failed_init.ts";
import type { WorkerHookCalls } from "./worker_hooks.ts";

/** What an executor runs on. */
export interface EngineOptions {
  /** How many workers run at once at most. */
  readonly maxWorkers: number;
  /** What a worker is. */
  readonly workerType: WorkerType;
  /** How long a worker stays without work, in milliseconds. */
  readonly idleTimeout: number;
  /** What each worker does beside running calls. */
  readonly hooks: WorkerHookCalls;
  /** After how many calls a worker is replaced. */
  readonly maxTasksPerWorker: number;
  /** How much memory a worker may hold after a call. */
  readonly maxHeapBytes: number;
  /** How often a call is run again when it fails. */
  readonly retries: number;
  /** How many workers there may be altogether, those of nested executors included. */
  readonly maxTotalWorkers?: number;
  /** Follows calls and workers. */
  readonly observer?: ExecutorObserver;
  /** Told of what costs no call. */
  readonly onWarning: (warning: QuiverWarning) => void;
}

/** What runs the calls of an executor. */
export interface Engine {
  /** Brings calls to workers. */
  readonly dispatcher: Dispatcher;
  /** Which workers it may start. */
  readonly share: WorkerShare;
  /** Runs the bodies of calls. */
  readonly runner: CallRunner;
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
  const { idleTimeout, hooks, observer, onWarning, maxTasksPerWorker, retries } = options;
  const share = new WorkerShare(options, allowance);
  const opener = openWorkerOfType({ type: share.workerType, ...hooks });
  const dispatcher = new Dispatcher({
    maxWorkers: share.maxWorkers,
    idleTimeout,
    maxTasksPerWorker,
    retries,
    open: hooks.init === undefined ? opener : warnOfFailedInit(opener, onWarning),
    ...(observer !== undefined && { observer: new SafeObserver(observer, onWarning) }),
  });
  return { dispatcher, share, runner: createRunner(dispatcher, share) };
}
