import type { CallRunner } from "../task/answer_call.ts";
import type { WorkerType } from "../worker/worker.ts";
import { createRunner } from "./create_runner.ts";
import { Dispatcher } from "./dispatcher.ts";
import { openWorkerOfType, type ProcessOptions } from "./open_worker.ts";

/** What an executor runs on. */
export interface EngineOptions {
  /** How many workers run at once at most. */
  readonly maxWorkers: number;
  /** What a worker is. */
  readonly workerType: WorkerType;
  /** How long a worker stays without work, in milliseconds. */
  readonly idleTimeout: number;
  /** What only workers of the kind `"process"` can be given. */
  readonly processOptions?: ProcessOptions;
}

/** What runs the calls of an executor. */
export interface Engine {
  /** Brings calls to workers. */
  readonly dispatcher: Dispatcher;
  /** Runs the bodies of calls. */
  readonly runner: CallRunner;
}

/**
 * Creates what runs the calls of an executor.
 *
 * @param options What it runs on.
 * @returns The engine; no worker starts before there is a call.
 */
export function createEngine(options: EngineOptions): Engine {
  const { maxWorkers, workerType, idleTimeout, processOptions } = options;
  const open = openWorkerOfType(workerType, processOptions);
  const dispatcher = new Dispatcher({ maxWorkers, idleTimeout, open });
  return { dispatcher, runner: createRunner(dispatcher) };
}
