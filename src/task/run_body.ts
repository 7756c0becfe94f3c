import type { CallChain, Scope } from "../scope/scope.ts";
import { QuiverError } from "../errors.ts";
import { runInScope } from "../scope/current_scope.ts";
import type { Digest } from "../value/encoded_value.ts";
import type { TaskDefinition } from "./task_definition.ts";

/**
 * Runs a task's function in a scope.
 *
 * @param definition The task.
 * @param scope The scope that tasks called by the function are in.
 * @param args The arguments.
 * @param key The key of the call, if it has one: a call inside that waits for it would wait for ever.
 * @returns What the function returns.
 */
export function runBody(
  definition: TaskDefinition,
  scope: Scope,
  args: readonly unknown[],
  key?: Digest,
): unknown {
  const chain: CallChain = {
    task: definition.name,
    ...(key !== undefined && { key }),
    ...(scope.chain !== undefined && { outer: scope.chain }),
  };
  return runInScope({ ...scope, chain }, () => definition.fn(...args));
}

/**
 * Refuses a call that is made, directly or not, by the body that computes the same call: each would
 * wait for the other.
 *
 * @param name What the call is named in errors.
 * @param key The key of the call.
 * @param scope The scope that the call is made in.
 * @throws {QuiverError} When the call waits for itself.
 */
export function refuseRecursion(name: string, key: Digest, scope: Scope): void {
  for (let link = scope.chain; link !== undefined; link = link.outer) {
    if (link.key !== key) continue;
    throw new QuiverError(
      `Cannot call "${name}": the call waits for itself, as its body makes the same call again; ` +
        "call it with other arguments, or call the plain function",
    );
  }
}
