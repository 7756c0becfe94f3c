import { QuiverError, WorkerDiedError } from "../base/errors.ts";
import { toThrown } from "../value/codec/thrown_value.ts";
import type { Outcome } from "../worker/worker.ts";

/**
 * What a task threw.
 *
 * @param outcome How its call ended.
 * @returns What it threw.
 */
export function errorOf({ error }: Extract<Outcome, { type: "error" }>): unknown {
  return toThrown(error.thrown);
}

/**
 * Whether a call that failed may succeed when it is run once more: what a task throws may pass, and so
 * may the death of a worker. Errors of Quiver's own (a failed dependency, a cancellation, a result
 * that cannot travel, a missing module) would come again.
 *
 * @param error Why the call failed.
 * @returns Whether to run it again.
 */
export function isRetriable(error: unknown): boolean {
  return !(error instanceof QuiverError) || error instanceof WorkerDiedError;
}
