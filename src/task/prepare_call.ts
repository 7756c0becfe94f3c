import type { KeyedCall } from "../call/call_key.ts";
import type { Warn } from "../base/warning.ts";
import type { EncodedPart } from "../value/value.ts";
import { arePrimitive } from "./call_arguments.ts";
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
  return definition.profile !== undefined && (arePrimitive(args) || !args.some(isUnread));
}

/**
 * Reads what must be read before the key of a call can be made.
 *
 * @param definition The task.
 * @param args The arguments.
 * @returns Why the call can have no key; nothing when it can.
 */
export async function makeKeyable(
  definition: TaskDefinition,
  args: readonly unknown[],
): Promise<Unreadable | undefined> {
  for (const one of [definition, ...args.filter(isUnread).map(definitionOf)]) {
    try {
      await one?.readProfile();
    } catch (cause) {
      const whose = one === definition ? "its code" : `the code of its argument "${one?.name}"`;
      return { reason: `${whose} cannot be read`, cause };
    }
  }
  return undefined;
}

/** Why a call has no key. */
export interface Unreadable {
  /** What is the matter. */
  readonly reason: string;
  /** What was thrown. */
  readonly cause: unknown;
}

function isUnread(argument: unknown): boolean {
  return definitionOf(argument)?.unread ?? false;
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
  const { profile } = definition;
  if (profile === undefined) return undefined;
  definition.checkNames(profile);
  const missing = definition.missingParameter(profile, args);
  if (missing !== undefined) {
    return warnOf(definition, `"${missing}" must be given`, undefined, warn);
  }
  try {
    return definition.toKeyedCall(args, parts);
  } catch (error) {
    // What the caller's own getters and methods throw is no reason to lose the result, either.
    return warnOf(definition, "an argument has no digest", error, warn);
  }
}

/**
 * Tells why a call is not remembered.
 *
 * @param definition The task.
 * @param reason Why.
 * @param cause What was thrown, if something was.
 * @param warn Told.
 */
export function warnOf(
  { name }: TaskDefinition,
  reason: string,
  cause: unknown,
  warn: Warn,
): undefined {
  warn(`Cannot remember a call of "${name}": ${reason}; the call runs anyway`, cause);
}
