import type { Scope, ScopeDescription } from "../../scope/scope.ts";
import { findTask, importTask } from "../../task/definition.ts";
import { toBoundTask, toTask } from "../../task/task.ts";
import { fromCarried } from "../../value/carry_value.ts";
import { importInWorker } from "../../worker/current_worker.ts";
import type { RemoteCallbacks } from "../../worker/remote_callbacks.ts";
import {
  CALLBACK_NODE,
  type CarriedArguments,
  TASK_NODE,
  type TaskReference,
  type TaskReferences,
} from "../wire/task_arguments.ts";

/** Restores the scope that a task is bound to. */
type RestoreScope = (description: ScopeDescription) => Scope | Promise<Scope>;

/** What the references of tasks and callbacks lead to. */
export interface DecodeTools {
  /** Restores the scope that a task is bound to. */
  readonly restoreScope: RestoreScope;
  /** The callbacks of the call, if it has some. */
  readonly callbacks: RemoteCallbacks | undefined;
}

/**
 * Makes arguments what they were before `encodeTasks()`.
 *
 * @param args The arguments as they came: of a call, or the items of a chunk, of which each is the one
 * argument of a call of its own.
 * @param tools What the references lead to.
 * @returns The arguments as they were given.
 * @throws {WorkerInitError} When the module of a task cannot be imported or does not define it.
 */
export async function decodeTasks(
  args: readonly unknown[],
  references: TaskReferences,
  { restoreScope, callbacks }: DecodeTools,
): Promise<readonly unknown[]> {
  const decoded: unknown[] = [];
  for (const value of args) {
    const tasks = Object.hasOwn(references, tokenOf(value))
      ? references[tokenOf(value)]
      : undefined;
    if (tasks === undefined) {
      decoded.push(value);
      continue;
    }
    const callables: object[] = [];
    for (const task of tasks) callables.push(await toCallable(task, restoreScope));
    // Nobody else knows the token.
    const values = fromCarried(
      value as CarriedArguments,
      ([type, index]) => {
        if (type === CALLBACK_NODE) return callbacks?.get(Number(index));
        return type === TASK_NODE ? callables[Number(index)] : undefined;
      },
    );
    if (!Array.isArray(values)) throw new TypeError("Cannot read arguments: they are no list");
    for (const one of values) decoded.push(one);
    // What is behind has only moved with the rest.
    if (args.length === 2 && values.length > 1) break;
  }
  return decoded;
}

async function toCallable(
  { address, scope, code }: TaskReference,
  restoreScope: RestoreScope,
): Promise<object> {
  const definition = findTask(address) ??
    await importInWorker(address.module, () => importTask(address));
  // The task's digest, which the key of the call is made of, is checked before the body runs; that its
  // code is the same here is told by its sources.
  if (code !== undefined) definition.adoptCode(code);
  return scope === undefined
    ? toTask(definition)
    : toBoundTask(definition, await restoreScope(scope));
}

function tokenOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return "";
  const token: unknown = Object.getOwnPropertyDescriptor(value, "quiver.task")?.value;
  return typeof token === "string" ? token : "";
}
