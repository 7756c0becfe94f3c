import type { KeyedCall } from "../call/call_key.ts";
import type { Warn } from "../cache/warn.ts";
import { IndigestibleError } from "../errors.ts";
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
    await definition.readProfile();
    for (const argument of args) await definitionOf(argument)?.readProfile();
    return toKeyed(definition, args, warn);
  })();
}

/** Whether an argument is a task whose code was not read yet, which is what it counts by. */
function isUnread(argument: unknown): boolean {
  const definition = definitionOf(argument);
  return definition !== undefined && definition.profile === undefined;
}

function toKeyed(
  definition: TaskDefinition,
  args: readonly unknown[],
  warn: Warn,
): KeyedCall | undefined {
  const { name, profile } = definition;
  if (profile === undefined) return undefined;
  const missing = definition.missingParameter(profile, args);
  if (missing !== undefined) {
    warn(`Cannot remember a call of "${name}": "${missing}" must be given; the call runs anyway`);
    return undefined;
  }
  try {
    return definition.toKeyedCall(args);
  } catch (error) {
    if (!(error instanceof IndigestibleError)) throw error;
    warn(
      `Cannot remember a call of "${name}": an argument has no digest; the call runs anyway`,
      error,
    );
    return undefined;
  }
}
