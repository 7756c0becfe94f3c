import { NestedExecutorError } from "../base/errors.ts";
import { currentWorker } from "./current_worker.ts";

/**
 * Refuses to start a worker while a worker imports the module of a task.
 *
 * @throws {NestedExecutorError} With the remedy.
 */
export function refuseNesting(): void {
  const importing = currentWorker()?.importing;
  if (importing === undefined) return;
  throw new NestedExecutorError(
    `Cannot start a worker while a worker imports "${importing}": the module starts workers at ` +
      "its top level; put its main part under `if (import.meta.main)`",
  );
}
