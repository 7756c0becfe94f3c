import type { KeyedCall } from "../call/call_key.ts";
import type { Warn } from "../cache/warn.ts";
import type { EncodedPart } from "../value/encoded_value.ts";
import { definitionOf } from "./registry.ts";
import type { TaskDefinition } from "./task_definition.ts";

/**
 * Tells whether the key of a call can be made at once: its task was read, and so were those that are
 * arguments.
 *
 * @param definition The task.
 * @param args The arguments.
 * @returns Whether it can.
 */
export function isKeyable(definition: TaskDefinition, args: readonly unknown[]): boolean {
  return definition.profile !== undefined && !args.some(isUnread);
}

/**
 * Reads what must be read before the key of a call can be made.
 *
 * @param definition The task.
 * @param args The arguments.
 */
export async function makeKeyable(
  definition: TaskDefinition,
  args: readonly unknown[],
): Promise<void> {
  await definition.readProfile();
  for (const argument of args) await definitionOf(argument)?.readProfile();
}

/** Whether an argument is a task whose code was not read yet, which is what it counts by. */
function isUnread(argument: unknown): boolean {
  const definition = definitionOf(argument);
  return definition !== undefined && definition.profile === undefined;
}

/**
 * Makes the key of a call that is keyable.
 *
 * @param definition The task.
 * @param args The arguments.
 * @param warn Told why the call has no key.
 * @param parts The digests of large arrays that are known; those that are made are added.
 * @returns The call, or `undefined` when it cannot be remembered.
 */
export function prepareCall(
  definition: TaskDefinition,
  args: readonly unknown[],
  warn: Warn,
  parts?: Map<object, EncodedPart>,
): KeyedCall | undefined {
  const { name, profile } = definition;
  if (profile === undefined) return undefined;
  const missing = definition.missingParameter(profile, args);
  if (missing !== undefined) {
    warn(`Cannot remember a call of "${name}": "${missing}" must be given; the call runs anyway`);
    return undefined;
  }
  try {
    return definition.toKeyedCall(args, parts);
  } catch (error) {
    // It may also be what an accessor throws: the body perhaps never reads it.
    warn(
      `Cannot remember a call of "${name}": an argument has no digest; the call runs anyway`,
      error,
    );
    return undefined;
  }
}
