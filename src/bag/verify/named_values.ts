import type { Digest } from "../../value/value.ts";

/** An argument that a line names as stored. */
export interface StoredArgument {
  readonly name?: unknown;
  readonly value: Digest;
}

/**
 * Lists the arguments that a line names as stored; another program may have written anything into it.
 *
 * @param line A line of a call log.
 */
export function toStoredArguments(line: Record<string, unknown>): readonly StoredArgument[] {
  return Array.isArray(line.args) ? line.args.filter(isStored) : [];
}

function isStored(argument: unknown): argument is StoredArgument {
  return typeof argument === "object" && argument !== null && "value" in argument &&
    typeof argument.value === "string";
}

/**
 * Lists the values that a line names.
 *
 * @param line A line of a call log.
 * @returns The digests of result and arguments.
 */
export function namedBy(line: Record<string, unknown>): readonly Digest[] {
  const values = toStoredArguments(line).map(({ value }) => value);
  return typeof line.result === "string" ? [line.result, ...values] : values;
}
