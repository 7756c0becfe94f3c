/**
 * What a worker looks at for calls that are remembered; loaded with the first that needs it.
 *
 * @module
 */
import { ChangedArgumentError, IndigestibleError } from "../../base/errors.ts";
import type { Warn } from "../../base/warning.ts";
import type { Refusal } from "../../cache/get_or_compute.ts";
import {
  digestFunction,
  findChangedFile,
  findChangedSource,
  type SourceWitness,
} from "../../call/module_sources.ts";
import { whenSettled } from "../../store/memory_stores.ts";
import type { MaybePromise } from "../../store/stores.ts";
import { sourceOf, tasksOf } from "../../task/definition.ts";
import { capture } from "../../value/capture.ts";
import { encodeValue } from "../../value/codec/encode_value.ts";
import { memoriesIn } from "../../value/share.ts";
import { MemoryGuard, toSpoiledMessage } from "../../value/shared_guard.ts";
import { digestArgument } from "../../value/digest/digest_value.ts";
import type { Digest } from "../../value/value.ts";
import type { CallCheck } from "../wire/call_context.ts";

/** How a body is run whose result is stored where the call was made. */
interface CheckedBodyOptions {
  /** What the call is named in messages. */
  readonly name: string;
  /** Told why the result cannot be stored. */
  readonly warn: Warn;
  /** Tells, once the body has ended, why what it gave is not to be stored, if it is not. */
  readonly refuse: () => Refusal | undefined;
  /** Makes what is returned of the result in the turn in which it is there. */
  readonly fix: (value: unknown) => unknown;
  /** Whether there are handles of shared values among the arguments. */
  readonly shared: boolean;
}

/**
 * Runs the body of a call that is remembered where it was made.
 *
 * @param args The arguments as they came.
 * @param digests The digests of those that may be others by now, which the key was made of.
 * @returns The result; it may be stored where no source is told.
 * @throws {ChangedArgumentError} When an argument is another.
 */
export function runChecked(
  args: readonly unknown[],
  digests: CallCheck["digests"],
  body: () => unknown,
  { name, warn, refuse, fix, shared }: CheckedBodyOptions,
): MaybePromise<{ readonly value: unknown; readonly source?: Refusal }> {
  for (const [position, digest] of digests) checkArgument(name, args[position], position, digest);
  return whenSettled(body(), (value) => {
    const fixed = fix(value);
    const source = refuse() ?? (shared ? refuseSpoiled(name, args, warn) : undefined) ??
      (isStorable(name, value, warn) ? undefined : "unstored");
    return source === undefined ? { value: fixed } : { value: fixed, source };
  });
}

/** Who stores the result looks at shared memory itself; it cannot see what is this worker's alone. */
function refuseSpoiled(name: string, args: readonly unknown[], warn: Warn): Refusal | undefined {
  const spoiled = memoriesIn(args)
    .some((memory) => memory.alone && !MemoryGuard.of(memory).lookAtAll());
  if (!spoiled) return undefined;
  warn(toSpoiledMessage(name));
  return "unfit";
}

function checkArgument(name: string, value: unknown, position: number, digest: Digest): void {
  const path = `args[${position}]`;
  if (digestArgument(value, { root: path }) === digest) return;
  throw new ChangedArgumentError(
    `Cannot run "${name}" as ${path} is not what its key was made of: it was changed while the ` +
      "call waited, or lost its class on the way to a worker; pass a copy, or plain data",
    path,
  );
}

/**
 * Whether a result arrives as it is where it is to be stored: an instance of a class becomes a plain
 * object on the way.
 */
function isStorable(name: string, value: unknown, warn: Warn): boolean {
  try {
    if (capture([value], { large: (buffer) => buffer }).kept.length > 0) {
      encodeValue(value, { root: "result" });
    }
    return true;
  } catch (error) {
    const cause = error instanceof IndigestibleError ? error : undefined;
    warn(`Cannot store the result of "${name}": the call is not remembered`, cause);
    return false;
  }
}

/** Code of a module that is, or may become, other than that of the keys. */
export interface LooseCode {
  /** Gives the URL of a file that is not, or may not be, the same. */
  changed(): string | undefined;
}

/**
 * Finds out whether what this worker has loaded of a module is the code that keys were made of.
 *
 * @param module The URL of the module.
 * @param sources The code that keys were made of.
 * @returns What to ask before and after each call; nothing where all is loaded, and is the same.
 */
export async function lookAtCode(
  module: string,
  sources: SourceWitness,
): Promise<LooseCode | undefined> {
  // This worker has loaded nothing before it began.
  const loadedAt = performance.timeOrigin;
  const { late } = sources;
  let changed = await findChangedSource(sources) ??
    (hasOtherFunctions(module, sources) ? module : undefined);
  if (changed === undefined && late.length === 0) return undefined;
  return { changed: () => changed ??= findChangedFile(late, loadedAt) };
}

function hasOtherFunctions(module: string, sources: SourceWitness): boolean {
  const functions = new Map(Object.entries(sources.functions ?? {}));
  return tasksOf(module).some(({ name, fn }) => {
    const digest = functions.get(name);
    return digest !== undefined && digest !== digestFunction(sourceOf(fn));
  });
}
