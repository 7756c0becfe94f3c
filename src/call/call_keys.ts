import { type KeyedCall, type TaskIdentity, toKeyedCall } from "./call_key.ts";
import type { EncodedPart } from "../value/value.ts";
import type { FunctionProfile } from "./function_profile.ts";

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
  readonly #identity: TaskIdentity;
  readonly #profile: FunctionProfile;
  readonly #ignored: ReadonlySet<string>;
  #recent = new Map<string | number, KeyedCall>();
  #older: ReadonlyMap<string | number, KeyedCall> = new Map();

  /**
   * Makes no key yet.
   *
   * @param identity The task.
   * @param profile The task's parameters.
   * @param ignored The names of the parameters that do not count.
   */
  constructor(identity: TaskIdentity, profile: FunctionProfile, ignored: ReadonlySet<string>) {
    this.#identity = identity;
    this.#profile = profile;
    this.#ignored = ignored;
  }

  /**
   * Digests the arguments of a call and makes its key, as {@linkcode toKeyedCall} does.
   *
   * @param args The arguments.
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

  #make(args: readonly unknown[], parts?: Map<object, EncodedPart>): KeyedCall {
    return toKeyedCall(this.#identity, this.#profile, this.#ignored, args, parts);
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
