import type { CallChain, Scope } from "../scope/scope.ts";
import { runInScope } from "../scope/current_scope.ts";
import type { Digest } from "../value/encoded_value.ts";
import type { TaskDefinition } from "./task_definition.ts";

/** A call whose body runs, and that has a key. */
export interface RunningCall {
  /** The key. */
  readonly key: Digest;
  /** Whether it runs under the lease of the key, so that others may wait for it. */
  readonly leased: boolean;
}

/**
 * Makes the scope that a task's function runs in.
 *
 * @param definition The task.
 * @param scope The scope that the call was made in.
 * @param running The call, if it has a key.
 * @returns The scope.
 */
export function toBodyScope(
  definition: TaskDefinition,
  scope: Scope,
  running?: RunningCall,
): Scope {
  const chain: CallChain = {
    task: definition.name,
    ...(running !== undefined && { key: running.key }),
    ...(running?.leased && scope.cache !== undefined && { cache: scope.cache.id }),
    ...(scope.chain !== undefined && { outer: scope.chain }),
  };
  return { ...scope, chain };
}

/**
 * Runs a task's function in a scope.
 *
 * @param definition The task.
 * @param scope The scope that tasks called by the function are in.
 * @param args The arguments.
 * @param running The call, if it has a key: a call inside that waits for it would wait for ever.
 * @returns What the function returns.
 */
export function runBody(
  definition: TaskDefinition,
  scope: Scope,
  args: readonly unknown[],
  running?: RunningCall,
): unknown {
  return runInScope(toBodyScope(definition, scope, running), () => definition.fn(...args));
}
