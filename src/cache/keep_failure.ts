/**
 * The failures of calls, which are kept for people and never answer a call; loaded with the first.
 *
 * @module
 */
import { WorkerDiedError } from "../base/errors.ts";
import type { Warn } from "../base/warning.ts";
import { countedValue, type KeyedCall } from "../call/call_key.ts";
import type { ArgumentRecord, CallFailure, CallRecord, FailureError } from "../call/call_record.ts";
import { digestArgument } from "../value/digest/digest_value.ts";
import { toErrorShape } from "../value/error_shape.ts";
import type { EncodedValue } from "../value/value.ts";
import type { Cache, EncodeValue } from "./cache.ts";
import { CLOCK, toRecord } from "./flights.ts";

/** A larger argument is known by its digest only, in bytes. */
const LARGEST_ARGUMENT = 2 ** 20;

/** Longer texts are cut, in UTF-16 code units. */
const LONGEST = { name: 200, message: 4096, stack: 8192, output: 4096 };

/** How many causes of causes are kept. */
const MOST_CAUSES = 5;

/** More arguments are left out, and so is code that consists of more parts. */
const MOST_LISTED = 200;

/** What is known of a call that has failed, beside its key. */
export interface FailedCall {
  /** What was thrown. */
  readonly error: unknown;
  /** What the steady clock said when it was to run. */
  readonly begun: number;
  /** How often it has run, as far as its caller knows. */
  readonly attempts: number;
  /** The last that was captured of what it has printed, if what was thrown does not say. */
  readonly output?: string | undefined;
  /** What goes into its record. */
  readonly metadata: CallRecord["metadata"];
  /** Which arguments are stored: those of up to 1 MiB each, unless none is to be. */
  readonly storeArguments?: "all" | "small" | "none" | undefined;
  /** Told when the cache keeps none. */
  readonly warn: Warn;
}

/**
 * Keeps the failure of a call, with those of its arguments that are small.
 *
 * @param call The call, with its arguments as they were when it was made.
 */
export async function keepFailure(
  cache: Cache,
  call: KeyedCall,
  { error, begun, attempts, output, metadata, storeArguments: which, warn }: FailedCall,
): Promise<void> {
  const { failures } = cache.stores;
  if (failures === undefined) {
    return warn(
      `Cannot keep the failure of "${call.address.name}": its cache keeps none; use a bag or a ` +
        "memory cache",
      undefined,
      false,
    );
  }
  const time = CLOCK.end(begun);
  const said = error instanceof WorkerDiedError ? error.stderr ?? output : output;
  const { args, bytes } = which === "none"
    ? { args: call.args.slice(0, MOST_LISTED), bytes: 0 }
    : await storeArguments(cache, call);
  const failure: CallFailure = {
    error: toFailureError(error),
    attempts: Math.max(attempts, attemptsOf(error)),
    bytes,
    ...(said !== undefined && said !== "" && { output: said.slice(-LONGEST.output) }),
  };
  const record = toRecord(call, { args, result: "", metadata, ...time });
  const { parts, ...short } = record;
  const listed = (parts?.length ?? 0) > MOST_LISTED ? short : record;
  await failures.put({ ...listed, failure });
}

/** How often a call has run, as what it has failed with says. */
function attemptsOf(error: unknown): number {
  const { value, enumerable } = Error.isError(error)
    ? Object.getOwnPropertyDescriptor(error, "attempts") ?? {}
    : {};
  return enumerable === false && typeof value === "number" ? value : 1;
}

/** Forgets the failure of a call, which has succeeded now. */
export async function clearFailure(cache: Cache, { key }: KeyedCall): Promise<void> {
  await cache.stores.failures?.delete(key);
}

async function storeArguments(
  cache: Cache,
  call: KeyedCall,
): Promise<{ readonly args: ArgumentRecord[]; readonly bytes: number }> {
  const encode = cache.encoder ?? await cache.loadEncoder();
  const args: ArgumentRecord[] = [];
  let bytes = 0;
  for (const argument of call.args.slice(0, MOST_LISTED)) {
    const encoded = encodeArgument(call, argument, encode);
    if (encoded === undefined) {
      args.push(argument);
      continue;
    }
    await cache.stores.values.put(encoded);
    args.push({ ...argument, value: encoded.digest });
    bytes += sizeOf(encoded);
  }
  return { args, bytes };
}

/** What may be stored of an argument: not a task, what is large, nor what was changed since. */
function encodeArgument(
  call: KeyedCall,
  { position, digest }: KeyedCall["args"][number],
  encode: EncodeValue,
): EncodedValue | undefined {
  const value = countedValue(call, position);
  if (typeof value === "function") return undefined;
  try {
    const encoded = encode(value, { root: `args[${position}]` });
    const isAsKeyed = encoded.digest === digest || digestArgument(value) === digest;
    return isAsKeyed && sizeOf(encoded) <= LARGEST_ARGUMENT ? encoded : undefined;
  } catch {
    // It has no stored form: its digest is all that there is.
    return undefined;
  }
}

function sizeOf({ bytes, parts }: EncodedValue): number {
  return parts.reduce((sum, part) => sum + part.bytes.length, bytes.length);
}

/** Whatever was thrown, as texts. */
function toFailureError(thrown: unknown, depth = 0): FailureError {
  if (!Error.isError(thrown)) return { name: typeof thrown, message: toText(thrown) };
  const { name, message = "", stack, hidden } = toErrorShape(thrown, readSafely);
  const about = new Map(depth < MOST_CAUSES ? hidden : []);
  const cause = about.get("cause");
  const errors = about.get("errors");
  const toError = (error: unknown) => toFailureError(error, depth + 1);
  return {
    name: name.slice(0, LONGEST.name),
    message: message.slice(0, LONGEST.message),
    ...(stack !== undefined && { stack: stack.slice(0, LONGEST.stack) }),
    ...(cause !== undefined && { cause: toError(cause) }),
    // Without causes of their own.
    ...(Array.isArray(errors) && {
      errors: errors.slice(0, MOST_CAUSES).map((error) => toFailureError(error, MOST_CAUSES)),
    }),
  };
}

function toText(thrown: unknown): string {
  try {
    return Deno.inspect(thrown).slice(0, LONGEST.message);
  } catch {
    return `[${typeof thrown} without text]`;
  }
}

function readSafely(object: object, key: string): unknown {
  try {
    return Reflect.get(object, key);
  } catch {
    return undefined;
  }
}
