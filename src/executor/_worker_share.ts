import type { WorkerAllowance } from "../scope/scope.ts";
import type { WorkerType } from "../worker/worker.ts";
import type { CallLimits } from "./call_context.ts";

/** What an executor asks for. */
export interface ShareRequest {
  /** How many workers it would have. */
  readonly maxWorkers: number;
  /** Of which kind; those of this isolate cost nothing. */
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
  /** Workers of a kind of their own, or only this isolate when none is left. */
  readonly workerType: WorkerType;
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
    this.workerType = allowance?.left === 0 ? "inline" : request.workerType;
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
    const { maxTotalWorkers = Infinity, maxHeapBytes } = this.#request;
    const total = Math.min(maxTotalWorkers, this.#allowance?.left ?? Infinity);
    const own = this.workerType === "inline" ? 0 : 1;
    this.#maxWorkers = own === 0 ? maxWorkers : Math.max(1, Math.min(maxWorkers, total));
    const beneath = Math.max(0, Math.floor(total / this.#maxWorkers) - own);
    if (this.#allowance !== undefined) {
      this.#taken = this.#maxWorkers * (own + beneath);
      this.#allowance.take(this.#taken);
    }
    const hasHeapLimit = maxHeapBytes !== Infinity;
    this.#limits = hasHeapLimit || total !== Infinity
      ? {
        ...(hasHeapLimit && { maxHeapBytes }),
        ...(total !== Infinity && { nestedWorkers: beneath }),
      }
      : undefined;
  }

  /** Gives back what was taken; may be called again. */
  release(): void {
    this.#allowance?.give(this.#taken);
    this.#taken = 0;
  }
}
