import type { CallChain, Scope } from "../scope/scope.ts";
import { runInScope } from "../scope/current_scope.ts";
import type { Digest } from "../value/encoded_value.ts";
import type { CallControl } from "../worker/worker.ts";
import { NestedControl } from "./nested_control.ts";
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
 * @param own What the function can know of who waits for the call.
 * @param running The call, if it has a key.
 * @returns The scope.
 */
export function toBodyScope(
  definition: TaskDefinition,
  scope: Scope,
  own: CallControl,
  running?: RunningCall,
): Scope {
  const chain: CallChain = {
    task: definition.name,
    ...(running !== undefined && { key: running.key }),
    ...(running?.leased && scope.cache !== undefined && { cache: scope.cache.id }),
    ...(scope.chain !== undefined && { outer: scope.chain }),
  };
  const control = scope.control === undefined ? own : new NestedControl(own, scope.control);
  return { ...scope, chain, control };
}

/**
 * Runs a task's function in a scope.
 *
 * @param definition The task.
 * @param scope The scope that tasks called by the function are in.
 * @param args The arguments.
 * @param own What the function can know of who waits for the call.
 * @param running The call, if it has a key: a call inside that waits for it would wait for ever.
 * @returns What the function returns.
 */
export function runBody(
  definition: TaskDefinition,
  scope: Scope,
  args: readonly unknown[],
  own: CallControl,
  running?: RunningCall,
): unknown {
  const body = toBodyScope(definition, scope, own, running);
  return runInScope(body, () => definition.fn(...args));
}
