import { type QuiverWarning, SafeCallbacks } from "../../base/warning.ts";
import type { WorkerAllowance } from "../../scope/scope.ts";
import type { OnAbort } from "../../task/future.ts";
import {
  mayReadLess,
  type ProcessOptions,
  type Worker,
  type WorkerType,
} from "../../worker/worker.ts";
import type {
  ExecutorObserver,
  OutputOption,
  OutputTaker,
  WorkerOutputLine,
} from "../call_options.ts";
import type { Capacity, RetryOptions } from "../../task/comforts.ts";
import { Dispatcher } from "../dispatch/dispatcher.ts";
import { SafeObserver } from "../dispatch/observer.ts";
import { isHookFailure } from "../dispatch/start_backoff.ts";
import type { CallLimits } from "../wire/call_context.ts";
import { openWorkerOfType } from "./open_worker.ts";
import { WorkerRunner } from "./runner.ts";
import type { WorkerHookCalls } from "./open_worker.ts";

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
  /** What becomes of what tasks print; the workers print it, if not given. */
  readonly output?: OutputOption;
  /** Told when a function that takes it throws; nobody is, if not given. Must not throw. */
  readonly outputFailed?: (warning: QuiverWarning) => void;
  /** After how many calls a worker is replaced; never, if not given. */
  readonly maxTasksPerWorker?: number;
  /** How much memory a worker may hold after a call, in bytes; all there is, if not given. */
  readonly maxHeapBytes?: number;
  /** How a call is run again when it fails; never, if not given. */
  readonly retries?: number | RetryOptions;
  /** What there is that calls may need. */
  readonly capacity?: Capacity;
  /** How many workers there may be altogether, those of nested executors included. */
  readonly maxTotalWorkers?: number;
  /** Follows calls and workers. */
  readonly observer?: ExecutorObserver;
  /** Told of what costs no call; nobody is, if not given. Must not throw. */
  readonly onWarning?: (warning: QuiverWarning) => void;
  /** Told once that not all workers can start; as `onWarning`, if not given. */
  readonly startFailed?: (warning: QuiverWarning) => void;
}

/** What runs the calls of an executor. */
export interface Engine {
  /** Brings calls to workers. */
  readonly dispatcher: Dispatcher;
  /** Which workers it may start. */
  readonly share: WorkerShare;
  /** Runs the bodies of calls. */
  readonly runner: WorkerRunner;
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
    startFailed = onWarning,
    output = "inherit",
    outputFailed = onWarning,
    ...dispatching
  } = options;
  const share = new WorkerShare({ ...options, maxHeapBytes }, allowance);
  const owner = share.workerType === "inline" ? crypto.randomUUID() : undefined;
  const open = openWorkerOfType({
    type: share.workerType,
    owner,
    ...hooks,
    ...(processOptions !== undefined && { processOptions }),
  });
  const onAbort: OnAbort = KILLABLE.has(share.workerType) ? "terminate" : "detach";
  const dispatcher = new Dispatcher({
    ...dispatching,
    maxWorkers: share.maxWorkers,
    open: hooks?.init === undefined ? open : warnOfFailedInit(open, onWarning),
    onAbort,
    output: toOutputTaker(output, outputFailed),
    limits: share.limits,
    warn: startFailed,
    owner,
    observer: observer && new SafeObserver(observer, onWarning),
  });
  const { workerType } = share;
  const reads = workerType === "process";
  return {
    dispatcher,
    share,
    runner: new WorkerRunner(dispatcher, workerType !== "inline", {
      reads,
      handsCode: mayReadLess(workerType, processOptions),
    }),
  };
}

/** What an executor asks for. */
export interface ShareRequest {
  /** How many workers it would have. */
  readonly maxWorkers: number;
  /** Of which kind. */
  readonly workerType: WorkerType;
  /** How many there may be with those of nested executors. */
  readonly maxTotalWorkers?: number;
  /** How much memory a worker may hold after a call. */
  readonly maxHeapBytes: number;
}

/**
 * What an executor has of the workers that there may be altogether: its own, and an equal share for the
 * executors beneath each of them. A nested executor takes both from what its own worker may start.
 */
export class WorkerShare {
  readonly #request: ShareRequest;
  readonly #allowance: WorkerAllowance | undefined;
  /** The kind that was asked for, or `"inline"` when none is left: those are none of their own. */
  readonly workerType: WorkerType;
  readonly #outOfWorkers: boolean;
  #maxWorkers = 0;
  #limits: CallLimits | undefined;
  #taken = 0;

  /**
   * Takes a share.
   *
   * @param request What the executor asks for.
   * @param allowance What it may take from, when it is nested.
   */
  constructor(request: ShareRequest, allowance: WorkerAllowance | undefined) {
    this.#request = request;
    this.#allowance = allowance;
    this.#outOfWorkers = allowance?.left === 0;
    this.workerType = this.#outOfWorkers ? "inline" : request.workerType;
    this.resize(request.maxWorkers);
  }

  /** How many workers the executor may have. */
  get maxWorkers(): number {
    return this.#maxWorkers;
  }

  /** What holds for each of its calls; `undefined` when that is what a worker takes for granted. */
  get limits(): CallLimits | undefined {
    return this.#limits;
  }

  /**
   * Takes another share instead.
   *
   * @param maxWorkers How many workers the executor would have.
   */
  resize(maxWorkers: number): void {
    this.release();
    const { maxTotalWorkers, maxHeapBytes } = this.#request;
    const allowance = this.#allowance;
    const total = Math.min(maxTotalWorkers ?? Infinity, allowance?.left ?? Infinity);
    this.#maxWorkers = this.#outOfWorkers ? maxWorkers : Math.min(maxWorkers, total);
    const beneath = this.#outOfWorkers ? 0 : Math.floor(total / this.#maxWorkers) - 1;
    if (!this.#outOfWorkers && total !== Infinity) {
      this.#taken = this.#maxWorkers * (1 + beneath);
      allowance?.take(this.#taken);
    }
    const bounded = maxTotalWorkers !== undefined || allowance !== undefined;
    this.#limits = bounded || maxHeapBytes !== Infinity
      ? { maxHeapBytes, ...(bounded && { nestedWorkers: beneath }) }
      : undefined;
  }

  /** Gives back what was taken; may be called again. */
  release(): void {
    this.#allowance?.give(this.#taken);
    this.#taken = 0;
  }
}

/**
 * Warns when workers cannot be set up: once, however many calls are then told.
 *
 * @param open Opens a worker.
 * @param warn Told of the failure.
 * @returns Opens a worker.
 */
export function warnOfFailedInit(
  open: (signal: AbortSignal) => Promise<Worker>,
  warn: (warning: QuiverWarning) => void,
): (signal: AbortSignal) => Promise<Worker> {
  let warned = false;
  return async (signal) => {
    try {
      return await open(signal);
    } catch (error) {
      if (isHookFailure(error) && !warned) {
        warned = true;
        warn({ message: "An executor cannot start workers: its calls fail", cause: error });
      }
      throw error;
    }
  };
}

/**
 * Finds who takes what tasks print.
 *
 * @param warn Told once when it cannot be handed over; must not throw.
 * @returns Takes it, or `undefined` where it is printed as ever.
 */
function toOutputTaker(
  output: OutputOption,
  warn: (warning: QuiverWarning) => void,
): OutputTaker | undefined {
  if (output === "inherit") return undefined;
  const take = output === "label" ? printLabelled : output;
  const callbacks = new SafeCallbacks("who takes what tasks print", warn);
  return (line) => callbacks.tell("output", () => take(line));
}

/** Says in front of each line which worker and which task have printed it. */
function printLabelled({ text, stream, worker, task }: WorkerOutputLine): void {
  const lines = text.split("\n").map((line) => `[${worker} ${task}] ${line}\n`).join("");
  const bytes = new TextEncoder().encode(lines);
  const file = Deno[stream];
  for (let written = 0; written < bytes.length;) written += file.writeSync(bytes.subarray(written));
}
