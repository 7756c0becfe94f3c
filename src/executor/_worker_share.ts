import type { WorkerAllowance } from "../scope/scope.ts";
import type { WorkerType } from "../worker/worker.ts";
import type { CallLimits } from "./call_context.ts";

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
