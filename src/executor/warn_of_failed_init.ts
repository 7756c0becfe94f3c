import { WorkerInitError } from "../base/errors.ts";
import type { QuiverWarning } from "../base/warning.ts";
import type { Worker } from "../worker/worker.ts";

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
      if (error instanceof WorkerInitError && !warned) {
        warned = true;
        warn({ message: "An executor cannot start workers: its calls fail", cause: error });
      }
      throw error;
    }
  };
}
