import type { Scope } from "../scope/scope.ts";
import type { ScopeDescription } from "../scope/derive_scope.ts";
import { findTask, importTask } from "../task/registry.ts";
import { restoreTask, toTask } from "../task/task.ts";
import { importInWorker } from "../worker/current_worker.ts";
import type { TaskReference, TaskReferences } from "./encode_tasks.ts";
import { replaceParts } from "./replace_parts.ts";

/** Restores the scope that a task is bound to. */
export type RestoreScope = (description: ScopeDescription) => Scope | Promise<Scope>;

/**
 * Puts tasks in the places of the references among arguments.
 *
 * @param args The arguments as they came.
 * @param references What the references mean.
 * @param restoreScope Restores the scopes of bound tasks.
 * @returns The arguments as they were given.
 * @throws {WorkerInitError} When the module of a task cannot be imported or does not define it.
 */
export async function decodeTasks(
  args: readonly unknown[],
  references: TaskReferences,
  restoreScope: RestoreScope,
): Promise<readonly unknown[]> {
  const tasks = new Map<unknown, unknown>();
  for (const [token, reference] of Object.entries(references)) {
    tasks.set(token, await toCallable(reference, restoreScope));
  }
  const isReference = (value: unknown) => tasks.has(tokenOf(value));
  return args.map((value) => replaceParts(value, isReference, (part) => tasks.get(tokenOf(part))));
}

async function toCallable(
  { address, scope }: TaskReference,
  restoreScope: RestoreScope,
): Promise<unknown> {
  const definition = findTask(address) ??
    await importInWorker(address.module, () => importTask(address));
  // The task's digest, which the key of the call is made of, is checked before the body runs.
  // One whose code cannot be read has no digest, and the call of which it is an argument no key.
  await definition.readProfile().catch(() => {});
  return scope === undefined
    ? restoreTask(definition)
    : toTask(definition, await restoreScope(scope));
}

function tokenOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.getOwnPropertyDescriptor(value, "quiver.task")?.value;
}
