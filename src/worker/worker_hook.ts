import type { TaskAddress } from "../call/task_address.ts";

/** What a worker needs of a task to find it; every task has it. */
export interface Addressed {
  /** How a worker finds the task. */
  readonly address: TaskAddress;
}

/** A task that each worker calls by itself, with arguments if it takes any. */
export type WorkerHook = Addressed | {
  /** The task. */
  readonly task: Addressed;
  /** Its arguments: data that structured clone carries. */
  readonly args: readonly unknown[];
};

/** A call that a worker makes by itself, as data that can be sent to it. */
export interface HookCall {
  /** The URL of the task's module. */
  readonly module: string;
  /** The task's name in its module. */
  readonly task: string;
  /** The arguments. */
  readonly args: readonly unknown[];
}

/**
 * Makes what a user gave as a hook data that can be sent to a worker.
 *
 * @param hook What the user gave.
 * @param action What cannot be done without it, for the message.
 * @param option The name of the option.
 * @returns The call.
 * @throws {TypeError} When it is not a task.
 */
export function toHookCall(hook: WorkerHook, action: string, option: string): HookCall {
  const { task, args } = "task" in hook ? hook : { task: hook, args: [] };
  // Types do not hold where a program has none.
  const { address }: Partial<Addressed> = task ?? {};
  if (address === undefined || !Array.isArray(args)) {
    throw new TypeError(
      `Cannot ${action}: \`${option}\` is no task, and a worker finds nothing else; define it with ` +
        `\`task(import.meta, fn)\` at the top level of a module, and give its arguments as ` +
        `\`{ task, args: [] }\``,
    );
  }
  return { module: address.module, task: address.name, args };
}
