import type { WorkerType } from "../worker/worker.ts";
import type { OnAbort } from "./call_options.ts";
import { createRunner, type EngineRunner } from "./create_runner.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { OutputTaker } from "./output.ts";
import { openWorkerOfType } from "./open_worker.ts";

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
  /** Takes what tasks print; it is printed by the workers when left out. */
  readonly output?: OutputTaker | undefined;
}

/** What runs the calls of an executor. */
export interface Engine {
  /** Brings calls to workers. */
  readonly dispatcher: Dispatcher;
  /** Runs the bodies of calls. */
  readonly runner: EngineRunner;
}

/**
 * Creates what runs the calls of an executor.
 *
 * @param options What it runs on.
 * @returns The engine; no worker starts before there is a call.
 */
export function createEngine(
  { maxWorkers, workerType, idleTimeout, output }: EngineOptions,
): Engine {
  const open = openWorkerOfType(workerType);
  const onAbort: OnAbort = KILLABLE.has(workerType) ? "terminate" : "detach";
  const dispatcher = new Dispatcher({ maxWorkers, idleTimeout, open, onAbort, output });
  return { dispatcher, runner: createRunner(dispatcher) };
}
