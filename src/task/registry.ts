import { noteOfStrangers, outside, sharedByCopies } from "../base/ambient.ts";
import { WorkerInitError } from "../base/errors.ts";
import type { TaskAddress } from "../call/call_record.ts";
import type { Scope } from "../scope/scope.ts";
import type { TaskDefinition } from "./task_definition.ts";

/**
 * The tasks that the modules of this isolate have defined, by module and name, with whichever copy of
 * Quiver: a worker's entry and the module of its task may import two.
 *
 * A module that is evaluated twice in one isolate (as a documentation example is) defines its tasks
 * anew; two different functions of one name at once would run the wrong one on a worker.
 */
const TASKS = sharedByCopies("tasks", () => new Map<string, Map<string, TaskDefinition>>());
const DEFINITIONS = sharedByCopies("definitions", () => new WeakMap<object, TaskDefinition>());

/** The scopes that bound tasks are frozen with. */
const SCOPES = sharedByCopies("scopes of bound tasks", () => new WeakMap<object, Scope>());

/**
 * Makes a task known, so that a worker finds it by its address.
 *
 * @param task The callable that users hold.
 * @param definition What the task is made of.
 * @throws {TypeError} When its module has another task of that name already.
 */
export function registerTask(task: object, definition: TaskDefinition): void {
  const { module, name } = definition.address;
  const tasks = TASKS.get(module) ?? new Map<string, TaskDefinition>();
  TASKS.set(module, tasks);
  if (tasks.has(name)) {
    throw new TypeError(
      `Cannot define task "${name}": "${module}" has a task of that name already; ` +
        "give one of them another name with the option `name`",
    );
  }
  tasks.set(name, definition);
  DEFINITIONS.set(task, definition);
}

/**
 * Makes one more callable of a task known.
 *
 * @param task The callable.
 * @param definition What the task is made of.
 * @param frozen The scope that it is bound to, if it is.
 */
export function registerFace(task: object, definition: TaskDefinition, frozen?: Scope): void {
  DEFINITIONS.set(task, definition);
  if (frozen !== undefined) SCOPES.set(task, frozen);
}

/**
 * The scope that a task is bound to.
 *
 * @param task The task.
 * @returns The scope, or `undefined` when the task is not bound.
 */
export function frozenScopeOf(task: object): Scope | undefined {
  return SCOPES.get(task);
}

/**
 * What a task is made of.
 *
 * @param task Perhaps a task.
 * @returns The definition, or `undefined` when the value is not a task.
 */
export function definitionOf(task: unknown): TaskDefinition | undefined {
  return typeof task === "function" ? DEFINITIONS.get(task) : undefined;
}

/**
 * What a task is made of, where nothing but a task will do.
 *
 * @param task Perhaps a task.
 * @param verb What is to be done with it, for the error.
 * @returns The definition.
 * @throws {TypeError} When the value is not a task.
 */
export function requireDefinition(task: unknown, verb: string): TaskDefinition {
  const definition = definitionOf(task);
  if (definition !== undefined) return definition;
  const text = typeof task === "function" ? `"${task.name}"` : String(task);
  throw new TypeError(
    `Cannot ${verb} ${text}: it is not a task; make it one with \`task(import.meta, fn)\` at the ` +
      `top level of a module${noteOfStrangers()}`,
  );
}

/**
 * Finds a task that this isolate has defined.
 *
 * @param address Where the task is.
 * @returns What the task is made of, or `undefined` when its module was not imported.
 */
export function findTask({ module, name }: TaskAddress): TaskDefinition | undefined {
  return TASKS.get(module)?.get(name);
}

/**
 * Gives the tasks that this isolate has defined in a module.
 *
 * @param module The URL of the module.
 * @returns What the tasks are made of.
 */
export function tasksOf(module: string): TaskDefinition[] {
  return [...TASKS.get(module)?.values() ?? []];
}

/**
 * Imports the module of a task, and finds the task.
 *
 * @param address Where the task is.
 * @returns What the task is made of.
 * @throws {WorkerInitError} When the module cannot be imported or does not define the task.
 */
export async function importTask({ module, name }: TaskAddress): Promise<TaskDefinition> {
  try {
    await outside(() => import(module));
  } catch (cause) {
    if (cause instanceof Error && cause.name === "NestedExecutorError") throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new WorkerInitError(`Cannot import "${module}" for task "${name}": ${reason}`, { cause });
  }
  const task = findTask({ module, name });
  if (task === undefined) {
    throw new WorkerInitError(
      `Cannot find task "${name}": importing "${module}" does not define it; ` +
        `call \`task(import.meta, …)\` at the module's top level${noteOfStrangers()}`,
    );
  }
  return task;
}
