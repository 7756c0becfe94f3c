import type { OnAbort } from "../task/call_status.ts";
import type { WorkerType } from "../worker/worker.ts";
import { createRunner, type EngineRunner } from "./create_runner.ts";
import { Dispatcher } from "./dispatcher.ts";
import { openWorkerOfType, type ProcessOptions } from "./open_worker.ts";
import type { OutputTaker } from "./output.ts";
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
  readonly gracePeriod?: number;
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
export function createEngine(options: EngineOptions): Engine {
  const { workerType, hooks, processOptions, ...dispatching } = options;
  const open = openWorkerOfType({
    type: workerType,
    ...hooks,
    ...(processOptions !== undefined && { processOptions }),
  });
  const onAbort: OnAbort = KILLABLE.has(workerType) ? "terminate" : "detach";
  const dispatcher = new Dispatcher({ ...dispatching, open, onAbort });
  return { dispatcher, runner: createRunner(dispatcher) };
}
