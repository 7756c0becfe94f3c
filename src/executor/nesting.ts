import { NestedExecutorError } from "../base/errors.ts";
import type { Scope } from "../scope/scope.ts";
import { currentWorker } from "../worker/current_worker.ts";

/** How deep calls may be nested if nobody says otherwise. */
export const MAX_DEPTH = 10;

/**
 * Refuses a call in a worker that is in no call: what a module leaves running behind its import is
 * in none, either.
 *
 * @param name The task's name.
 * @param scope The scope that the call is made in.
 * @throws {NestedExecutorError} When a module that a worker imports would start workers for ever.
 */
export function assertInsideCall(name: string, { chain }: Scope): undefined {
  const worker = currentWorker();
  if (worker === undefined || chain !== undefined) return undefined;
  const where = worker.importing === undefined ? "" : `, while it imports "${worker.importing}"`;
  throw new NestedExecutorError(
    `Cannot submit "${name}" in a worker outside of a call${where}: put the module's main part ` +
      "under `if (import.meta.main)`",
  );
}

/**
 * Refuses a call that is nested too deep, as one that a task makes of itself for ever would be.
 *
 * @param name The task's name.
 * @param scope The scope that the call is made in.
 * @param maxDepth How many calls on workers may be around it.
 * @throws {NestedExecutorError} When there are more.
 */
export function assertDepth(name: string, { nesting }: Scope, maxDepth = MAX_DEPTH): void {
  if (nesting === undefined || nesting.depth < maxDepth) return;
  throw new NestedExecutorError(
    `Cannot submit "${name}": ${nesting.depth} executors' calls are around it, and \`maxDepth\` is ` +
      `${maxDepth}; does a task submit itself for ever?`,
  );
}
