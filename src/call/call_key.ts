import { createSha256 } from "../sha256.ts";
import { DIGEST_SCHEME, digestArgument } from "../value/digest_value.ts";
import type { Digest } from "../value/encoded_value.ts";
import type { ArgumentRecord, IgnoredPosition } from "./call_record.ts";
import type { FunctionProfile } from "./function_profile.ts";
import type { TaskAddress } from "./task_address.ts";

/** What makes up a key beside the arguments. */
export interface TaskIdentity {
  /** Where the task is. */
  readonly address: TaskAddress;
  /** The version that the task was given. */
  readonly version?: string | number;
  /** The digest of the task's code, where it counts. */
  readonly code?: Digest;
  /** Which parameters do not count; absent if all do. */
  readonly ignored?: readonly IgnoredPosition[];
}

/** A call that is ready to be looked up. */
export interface KeyedCall extends TaskIdentity {
  /** The digest of task and arguments. */
  readonly key: Digest;
  /** The arguments that count, with their digests. */
  readonly args: readonly ArgumentRecord[];
  /** The position of each of `args` among `values`. */
  readonly positions: readonly number[];
  /** All arguments as the function gets them: literal defaults filled in, trailing `undefined` dropped. */
  readonly values: readonly unknown[];
}

/**
 * Digests the arguments of a call and makes its key.
 *
 * Trailing `undefined` is dropped and literal defaults are filled in, so that `f(1)`,
 * `f(1, undefined)` and, for `f(a, b = 2)`, `f(1, 2)` are one call.
 *
 * @param identity The task.
 * @param profile The task's parameters.
 * @param ignored The names of the parameters that do not count.
 * @param args The arguments.
 * @returns The call with its key.
 * @throws {IndigestibleError} When an argument that counts has no digest.
 */
export function toKeyedCall(
  identity: TaskIdentity,
  profile: FunctionProfile,
  ignored: ReadonlySet<string>,
  args: readonly unknown[],
): KeyedCall {
  const records: ArgumentRecord[] = [];
  const positions: number[] = [];
  const counted: (Digest | null)[] = [];
  const values = toEffectiveArguments(profile, args);
  const length = ignored.size === 0 ? values.length : countLength(values, profile, ignored);
  for (let index = 0; index < length; index++) {
    if (isIgnored(index, profile, ignored)) {
      counted.push(null);
      continue;
    }
    const value = values[index];
    const digest = digestArgument(value, { root: `args[${index}]` });
    counted.push(digest);
    records.push({ name: toArgumentName(profile, index), digest });
    positions.push(index);
  }
  const whole = ignored.size === 0 ? identity : withIgnored(identity, profile, ignored);
  return { ...whole, key: digestKey(whole, counted), args: records, positions, values };
}

function isIgnored(
  index: number,
  { parameters, rest }: FunctionProfile,
  ignored: ReadonlySet<string>,
): boolean {
  const parameter = parameters[index]?.name ?? rest;
  return parameter !== undefined && ignored.has(parameter);
}

/** How many arguments there are up to the last one that counts: `undefined` for a parameter does not. */
function countLength(
  values: readonly unknown[],
  profile: FunctionProfile,
  ignored: ReadonlySet<string>,
): number {
  const isLeftOut = (index: number) =>
    isIgnored(index, profile, ignored) ||
    (index < profile.parameters.length && values[index] === undefined);
  let { length } = values;
  while (length > 0 && isLeftOut(length - 1)) length--;
  return length;
}

function withIgnored(
  identity: TaskIdentity,
  { parameters, rest }: FunctionProfile,
  names: ReadonlySet<string>,
): TaskIdentity {
  const ignored: IgnoredPosition[] = [];
  for (const [index, { name }] of parameters.entries()) if (names.has(name)) ignored.push(index);
  if (rest !== undefined && names.has(rest)) ignored.push(`...${parameters.length}`);
  return { ...identity, ignored };
}

/**
 * Fills in literal defaults and drops trailing `undefined`.
 *
 * @param profile The function's parameters.
 * @param args The arguments as given.
 * @returns The arguments as the key sees them.
 */
export function toEffectiveArguments(
  profile: FunctionProfile,
  args: readonly unknown[],
): readonly unknown[] {
  const { parameters } = profile;
  const values = args.slice();
  for (let index = 0; index < parameters.length; index++) {
    const literal = parameters[index]?.literal;
    if (literal !== undefined && values[index] === undefined) values[index] = literal.value;
  }
  while (values.length > 0 && values.at(-1) === undefined) values.pop();
  // `slice` keeps holes and assignment past the end makes them: to the function both are undefined.
  return Array.from(values);
}

function toArgumentName({ parameters, rest }: FunctionProfile, index: number): string {
  const parameter = parameters[index];
  if (parameter !== undefined) return parameter.name;
  return rest === undefined ? String(index) : `${rest}[${index - parameters.length}]`;
}

/**
 * Makes a key.
 *
 * @param identity The task.
 * @param args The digests of the arguments, `null` for those that do not count.
 * @param scheme Which rules made the digests.
 * @returns The key.
 */
export function digestKey(
  identity: TaskIdentity,
  args: readonly (Digest | null)[],
  scheme: number = DIGEST_SCHEME,
): Digest {
  const { address, version = null, code = null, ignored } = identity;
  const fields = [scheme, address.module, address.name, version, code, args];
  // What is known whatever `k` is must not be found by who asks for one `k`, nor the other way round.
  const text = JSON.stringify(ignored === undefined ? fields : [...fields, ignored]);
  return createSha256().update(text).digest("hex");
}
