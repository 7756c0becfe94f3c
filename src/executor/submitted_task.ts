import { NestedExecutorError } from "../errors.ts";
import type { Scope } from "../scope/scope.ts";
import { definitionOf } from "../task/registry.ts";
import type { TaskDefinition } from "../task/task_definition.ts";
import { currentWorker } from "../worker/current_worker.ts";

/**
 * Checks what is to run on a worker.
 *
 * @param task Perhaps a task.
 * @returns What the task is made of.
 * @throws {TypeError} When it is not a task.
 */
export function toSubmitted(task: unknown): TaskDefinition {
  const definition = definitionOf(task);
  if (definition !== undefined) return definition;
  throw new TypeError(
    `Cannot submit ${describe(task)}: it is not a task; make it one with ` +
      "`task(import.meta, fn)` at the top level of a module",
  );
}

/**
 * Refuses a call in a worker that is in no call: what a module leaves running behind its import is
 * in none, either.
 *
 * @param name The task's name.
 * @param scope The scope that the call is made in.
 * @throws {NestedExecutorError} When a module that a worker imports would start workers for ever.
 */
export function refuseOutsideOfCall(name: string, { chain }: Scope): void {
  const worker = currentWorker();
  if (worker === undefined || chain !== undefined) return;
  const where = worker.importing === undefined ? "" : `, while it imports "${worker.importing}"`;
  throw new NestedExecutorError(
    `Cannot submit "${name}" in a worker outside of a call${where}: put the module's main part ` +
      "under `if (import.meta.main)`",
  );
}

function describe(value: unknown): string {
  return typeof value === "function" ? `"${value.name}"` : String(value);
}
