import type { KeyedCall } from "../call/call_key.ts";
import type { Warn } from "../cache/warn.ts";
import { definitionOf } from "./registry.ts";
import type { TaskDefinition } from "./task_definition.ts";

/**
 * Makes the key of a call whose arguments are known, at once where that is possible: what the
 * caller changes in them afterwards does not count.
 *
 * @param definition The task.
 * @param args The arguments.
 * @param warn Told why the call has no key.
 * @returns The call, or `undefined` when it cannot be remembered.
 */
export function prepareCall(
  definition: TaskDefinition,
  args: readonly unknown[],
  warn: Warn,
): KeyedCall | undefined | Promise<KeyedCall | undefined> {
  if (definition.profile !== undefined && !args.some(isUnread)) {
    return toKeyed(definition, args, warn);
  }
  return (async () => {
    for (const one of [definition, ...args.filter(isUnread).map(definitionOf)]) {
      try {
        await one?.readProfile();
      } catch (error) {
        const whose = one === definition ? "its code" : `the code of its argument "${one?.name}"`;
        return warnOf(definition, `${whose} cannot be read`, error, warn);
      }
    }
    return toKeyed(definition, args, warn);
  })();
}

function isUnread(argument: unknown): boolean {
  return definitionOf(argument)?.unread ?? false;
}

function toKeyed(
  definition: TaskDefinition,
  args: readonly unknown[],
  warn: Warn,
): KeyedCall | undefined {
  const { profile } = definition;
  if (profile === undefined) return undefined;
  definition.checkNames(profile);
  const missing = definition.missingParameter(profile, args);
  if (missing !== undefined) {
    return warnOf(definition, `"${missing}" must be given`, undefined, warn);
  }
  try {
    return definition.toKeyedCall(args);
  } catch (error) {
    // What the caller's own getters and methods throw is no reason to lose the result, either.
    return warnOf(definition, "an argument has no digest", error, warn);
  }
}

function warnOf({ name }: TaskDefinition, reason: string, cause: unknown, warn: Warn): undefined {
  warn(`Cannot remember a call of "${name}": ${reason}; the call runs anyway`, cause);
}
