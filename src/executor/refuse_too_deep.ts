import { NestedExecutorError } from "../errors.ts";
import type { Scope } from "../scope/scope.ts";

/** How deep calls may be nested if nobody says otherwise. */
export const MAX_DEPTH = 10;

/**
 * Refuses a call that is nested too deep, as one that a task makes of itself for ever would be.
 *
 * @param name The task's name.
 * @param scope The scope that the call is made in.
 * @param maxDepth How many calls on workers may be around it.
 * @throws {NestedExecutorError} When there are more.
 */
export function refuseTooDeep(name: string, { nesting }: Scope, maxDepth = MAX_DEPTH): void {
  if (nesting === undefined || nesting.depth < maxDepth) return;
  throw new NestedExecutorError(
    `Cannot submit "${name}": ${nesting.depth} executors' calls are around it, and \`maxDepth\` is ` +
      `${maxDepth}; does a task submit itself for ever?`,
  );
}
