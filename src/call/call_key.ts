import { ChangedArgumentError, IndigestibleError } from "../base/errors.ts";
import { createSha256 } from "../base/sha256.ts";
import type { Warn } from "../base/warning.ts";
import { digestArgument } from "../value/digest/digest_value.ts";
import { memoriesIn } from "../value/share.ts";
import { MemoryGuard, toSpoiledMessage } from "../value/shared_guard.ts";
import type { Digest, EncodedPart } from "../value/value.ts";
import type { ArgumentRecord, IgnoredPosition, ReadRecord, TaskAddress } from "./call_record.ts";
import type { FunctionProfile } from "./function_profile.ts";

export { parseFunction, toFunctionProfile, usesThis } from "./function_profile.ts";

/**
 * Which rules keys are made by: those of the first scheme had the digest of a function's own tokens as
 * the code of its task.
 */
export const KEY_SCHEME = 2;

/** What makes up a key beside the arguments. */
export interface TaskIdentity {
  /** Where the task is. */
  readonly address: TaskAddress;
  /** The version that the task was given. */
  readonly version?: string | number;
  /** The digest of the task's code, where it counts. */
  readonly code?: Digest;
  /** What the code consists of, for people: no part of the key. */
  readonly parts?: readonly string[];
  /** Which parameters do not count; absent if all do. */
  readonly ignored?: readonly IgnoredPosition[];
  /** What the task reads by name; absent for nothing. */
  readonly reads?: readonly KeyedRead[];
}

/** A file or environment variable that counts. */
export interface KeyedRead extends ReadRecord {
  /** Where a file is. */
  readonly path?: string;
  /** Whether it is another task that reads it, which looks at it by itself. */
  readonly called?: true;
}

/** An argument that counts. */
export interface KeyedArgument extends ArgumentRecord {
  /** Its position among the values. */
  readonly position: number;
}

/** A call that is ready to be looked up. */
export interface KeyedCall extends TaskIdentity {
  /** The digest of task and arguments. */
  readonly key: Digest;
  /** The arguments that count, with their digests. */
  readonly args: readonly KeyedArgument[];
  /** Literal defaults that stand for arguments that were left out, by position: the key has them. */
  readonly filled?: readonly (readonly [position: number, value: unknown])[];
  /** All arguments as the function gets them, which is as they were given. */
  readonly values: readonly unknown[];
  /** The positions of arguments that hold what may change while the body runs, such as shared memory. */
  readonly kept?: readonly number[];
  /** The positions of arguments that hold files, which count by their content. */
  readonly files?: readonly number[];
  /** Whether there are shared values among the arguments. */
  readonly shared?: true;
  /** Only results count whose body began at this or later, in milliseconds since 1970. */
  readonly since?: number;
  /** The begin of the body whose result was found not to count, which no other isolate is to take, either. */
  readonly rejected?: number;
}

/**
 * Gives the value that the key has for one of the arguments that count.
 *
 * @returns The argument, or the literal default that stands for it.
 */
export function countedValue(
  { filled, values }: Pick<KeyedCall, "filled" | "values">,
  position: number,
): unknown {
  const literal = filled?.find(([at]) => at === position);
  return literal === undefined ? values[position] : literal[1];
}

/**
 * Digests the arguments of a call and makes its key.
 *
 * For declared parameters trailing `undefined` is dropped and literal defaults are filled in, so that
 * `f(1)`, `f(1, undefined)` and, for `f(a, b = 2)`, `f(1, 2)` are one call. Rest parameters are what
 * the caller gave, and so is everything to a function that looks at `arguments`.
 *
 * @param ignored The names of the parameters that do not count.
 * @param parts The digests of large arrays that are known; those that are made are added.
 * @returns The call with its key.
 * @throws {IndigestibleError} When an argument that counts has no digest.
 */
export function toKeyedCall(
  identity: TaskIdentity,
  profile: FunctionProfile,
  ignored: ReadonlySet<string>,
  args: readonly unknown[],
  parts?: Map<object, EncodedPart>,
): KeyedCall {
  const records: KeyedArgument[] = [];
  const counted: (Digest | null)[] = [];
  const { values, filled } = toEffectiveArguments(profile, args);
  const isWhole = ignored.size === 0 || profile.countsArguments;
  const length = isWhole ? values.length : countLength(values, profile, ignored);
  for (let index = 0; index < length; index++) {
    if (isIgnored(index, profile, ignored)) {
      counted.push(null);
      continue;
    }
    const digest = digestArgument(values[index], { root: `args[${index}]`, parts });
    counted.push(digest);
    records.push({ name: toArgumentName(profile, index), position: index, digest });
  }
  const whole = ignored.size === 0 ? identity : withIgnored(identity, profile, ignored);
  return {
    ...whole,
    key: digestKey(whole, counted),
    args: records,
    values: args,
    ...(filled.length > 0 && { filled }),
  };
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
 * Fills in literal defaults and drops trailing `undefined`, where the function cannot tell.
 *
 * @returns The arguments as the key sees them.
 */
function toEffectiveArguments(
  { parameters, rest, countsArguments }: FunctionProfile,
  args: readonly unknown[],
): Required<Pick<KeyedCall, "filled" | "values">> {
  // A hole is `undefined` to the function, too.
  const values = Array.from(args);
  if (countsArguments) return { values, filled: [] };
  const filled: (readonly [number, unknown])[] = [];
  for (let index = 0; index < parameters.length; index++) {
    const literal = parameters[index]?.literal;
    if (literal === undefined || values[index] !== undefined) continue;
    values[index] = literal.value;
    filled.push([index, literal.value]);
  }
  const least = rest !== undefined && values.length > parameters.length ? values.length : 0;
  while (values.length > least && values.at(-1) === undefined) values.pop();
  // An assignment past the end leaves holes.
  return { values: Array.from(values), filled };
}

function toArgumentName({ parameters, rest }: FunctionProfile, index: number): string {
  const parameter = parameters[index];
  if (parameter !== undefined) return parameter.name;
  return rest === undefined ? String(index) : `${rest}[${index - parameters.length}]`;
}

/**
 * Makes a key.
 *
 * @param args The digests of the arguments, `null` for those that do not count.
 * @param scheme Which rules made the digests.
 */
export function digestKey(
  identity: TaskIdentity,
  args: readonly (Digest | null)[],
  scheme: number = KEY_SCHEME,
): Digest {
  const { address, version = null, code = null, ignored, reads } = identity;
  const fields: unknown[] = [scheme, address.module, address.name, version, code, args];
  // What is known whatever `k` is must not be found by who asks for one `k`, nor the other way round.
  if (ignored !== undefined || reads !== undefined) fields.push(ignored ?? null);
  // A file is what it holds, wherever it lies.
  reads &&
    fields.push(reads.map(({ kind, name, digest }) => kind === "env" ? [name, digest] : digest));
  const text = JSON.stringify(fields);
  return createSha256().update(text).digest("hex");
}

/** How many keys are kept for certain; up to twice as many are. */
const LIMIT = 1024;

/** A longer text costs more to compare than it saves. */
const LONGEST_TEXT = 64;

/** Nor is a larger integer written out. */
const LARGEST = 2n ** 64n;

/**
 * Makes the keys of the calls of one task, and keeps the newest ones whose arguments are a few
 * numbers, short texts and the like: to make a key takes two hashes, which is more than all the rest
 * of a hit.
 */
export class CallKeys {
  /** What makes up the keys beside the arguments. */
  readonly identity: TaskIdentity;
  readonly #profile: FunctionProfile;
  readonly #ignored: ReadonlySet<string>;
  #recent = new Map<string | number, KeyedCall>();
  #older: ReadonlyMap<string | number, KeyedCall> = new Map();

  /**
   * Makes no key yet.
   *
   * @param ignored The names of the parameters that do not count.
   */
  constructor(identity: TaskIdentity, profile: FunctionProfile, ignored: ReadonlySet<string>) {
    this.identity = ignored.size === 0 ? identity : withIgnored(identity, profile, ignored);
    this.#profile = profile;
    this.#ignored = ignored;
  }

  /**
   * Digests the arguments of a call and makes its key, as {@linkcode toKeyedCall} does.
   *
   * @param parts The digests of large arrays that are known; those that are made are added.
   * @returns The call with its key; others may have the same object.
   * @throws {IndigestibleError} When an argument that counts has no digest.
   */
  get(args: readonly unknown[], parts?: Map<object, EncodedPart>): KeyedCall {
    const mark = toMark(args);
    if (mark === undefined) return this.#make(args, parts);
    const known = this.#recent.get(mark);
    if (known !== undefined) return known;
    const call = this.#older.get(mark) ?? this.#make(args);
    if (this.#recent.size >= LIMIT) {
      this.#older = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(mark, call);
    return call;
  }

  /**
   * Makes the key of a call of a task that reads something by name.
   *
   * @param reads What that holds now.
   * @param parts The digests of large arrays that are known; those that are made are added.
   * @returns The call with its key.
   * @throws {IndigestibleError} When an argument that counts has no digest.
   */
  make(
    args: readonly unknown[],
    reads: readonly KeyedRead[],
    parts?: Map<object, EncodedPart>,
  ): KeyedCall {
    return toKeyedCall({ ...this.identity, reads }, this.#profile, this.#ignored, args, parts);
  }

  #make(args: readonly unknown[], parts?: Map<object, EncodedPart>): KeyedCall {
    return toKeyedCall(this.identity, this.#profile, this.#ignored, args, parts);
  }
}

/** What tells arguments apart in a map, or `undefined` when it is no use to make it. */
function toMark(args: readonly unknown[]): string | number | undefined {
  const [first] = args;
  // To a map, too, every NaN is one; but so are the two zeros.
  if (args.length === 1 && typeof first === "number" && !Object.is(first, -0)) return first;
  return toText(args);
}

/** A text that tells arguments apart, or `undefined` when it is no use to make one. */
function toText(args: readonly unknown[]): string | undefined {
  let text = "";
  for (const value of args) {
    const part = toPart(value);
    if (part === undefined || text.length > LONGEST_TEXT) return undefined;
    text += part;
  }
  return text;
}

function toPart(value: unknown): string | undefined {
  switch (typeof value) {
    case "number":
      // The shortest text of a number is of no other one, but those of the two zeros are the same.
      return Object.is(value, -0) ? "-0," : `${value},`;
    case "string":
      return value.length > LONGEST_TEXT ? undefined : `"${value.length}:${value},`;
    case "boolean":
    case "undefined":
      return `${value},`;
    case "bigint":
      return value < LARGEST && value > -LARGEST ? `${value}n,` : undefined;
    default:
      return value === null ? "null," : undefined;
  }
}

/**
 * Makes sure that an argument is what the key was made of.
 *
 * @param parts The digests of large arrays in it, which nobody can have changed since.
 * @throws {ChangedArgumentError} When it is something else by now.
 */
export function checkArgument(
  call: KeyedCall,
  argument: KeyedArgument,
  parts?: ReadonlyMap<object, EncodedPart>,
): void {
  if (isAsKeyed(call, argument, parts)) return;
  const { name } = call.address;
  const path = `args[${argument.position}]`;
  throw new ChangedArgumentError(
    `Cannot run "${name}" as ${path} is not what its key was made of: it was changed while the ` +
      "call waited, or lost its class on the way to a worker; pass a copy, or plain data",
    path,
  );
}

function isAsKeyed(
  call: KeyedCall,
  { position, digest }: KeyedArgument,
  known?: ReadonlyMap<object, EncodedPart>,
): boolean {
  const options = { root: `args[${position}]`, parts: new Map(known) };
  try {
    return digestArgument(countedValue(call, position), options) === digest;
  } catch (error) {
    // It had a digest when the key was made, and has none any more, such as a buffer that was moved.
    if (error instanceof IndigestibleError) return false;
    throw error;
  }
}

/** What is done about arguments that are shared. */
interface UnchangedOptions {
  /** Told that a result is not remembered. */
  readonly warn: Warn;
  /** Whether all of a shared value is looked at, and not some of it. */
  readonly thorough?: boolean;
}

/**
 * Tells whether what is shared with others, or is an instance, is after the body what it was before.
 *
 * @param call The call, with the arguments that its body had.
 * @param options Who is told if not, and how closely it is looked at.
 */
export function isUnchanged(
  call: KeyedCall,
  { warn, thorough = false }: UnchangedOptions,
): boolean {
  const { address: { name }, args, kept = [], shared, values } = call;
  const spoiled = shared && memoriesIn(values).some((memory) => {
    const guard = MemoryGuard.of(memory);
    return !(thorough ? guard.lookAtAll() : guard.look());
  });
  if (spoiled) {
    warn(toSpoiledMessage(name));
    return false;
  }
  const changed = args.find((argument) =>
    kept.includes(argument.position) && !isAsKeyed(call, argument)
  );
  if (changed === undefined) return true;
  warn(
    `Cannot remember a call of "${name}": args[${changed.position}] was changed while ` +
      "its body ran; pass a copy, or give it away with `transfer`",
  );
  return false;
}
