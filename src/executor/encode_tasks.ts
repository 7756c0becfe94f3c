import type { TaskAddress } from "../call/task_address.ts";
import type { ScopeDescription } from "../scope/derive_scope.ts";
import { describeBound } from "../task/bound_task.ts";
import { definitionOf, frozenScopeOf } from "../task/registry.ts";
import { hasPart, replaceParts } from "./replace_parts.ts";

/** How a task that is an argument is found where it arrives. */
export interface TaskReference {
  /** Where the task is. */
  readonly address: TaskAddress;
  /** The scope that it is bound to, with the signing keys, if it is bound. */
  readonly scope?: ScopeDescription;
}

/** What stands for each task among arguments; a name that no other data has. */
export type TaskReferences = { readonly [token: string]: TaskReference };

/** Arguments that structured clone carries although there are tasks among them. */
export interface EncodedArguments {
  /** The arguments, with objects like `{ "quiver.task": token }` in place of the tasks. */
  readonly args: readonly unknown[];
  /** The tasks. */
  readonly tasks: TaskReferences;
}

/**
 * Tells whether there is a task among arguments, or inside them.
 *
 * @param args The arguments.
 * @returns Whether they must be encoded.
 */
export function holdsTask(args: readonly unknown[]): boolean {
  for (const value of args) {
    const type = typeof value;
    if ((type === "object" || type === "function") && hasPart(value, isTask)) return true;
  }
  return false;
}

/**
 * Puts references in the places of the tasks among arguments, bound or not.
 *
 * @param args The arguments.
 * @returns Data, as far as tasks are concerned.
 */
export function encodeTasks(args: readonly unknown[]): EncodedArguments {
  const call = crypto.randomUUID();
  const tasks: { [token: string]: TaskReference } = {};
  const tokens = new Map<unknown, string>();
  const replace = (task: unknown): unknown => {
    const token = tokens.get(task) ?? `${call}/${tokens.size}`;
    tokens.set(task, token);
    tasks[token] ??= toReference(task);
    return { "quiver.task": token };
  };
  return { args: args.map((value) => replaceParts(value, isTask, replace)), tasks };
}

function isTask(value: unknown): boolean {
  return typeof value === "function" && definitionOf(value) !== undefined;
}

function toReference(task: unknown): TaskReference {
  const definition = definitionOf(task);
  // Only what `isTask` has found comes here.
  if (definition === undefined || typeof task !== "function") throw new TypeError("Not a task");
  const { address } = definition;
  const frozen = frozenScopeOf(task);
  if (frozen === undefined) return { address };
  return { address, scope: describeBound(address, frozen, frozen.cache?.secretDescription).scope };
}
