/**
 * What a worker looks at for calls that are remembered; loaded with the first that needs it.
 *
 * @module
 */
import { ChangedArgumentError, IndigestibleError } from "../../base/errors.ts";
import type { Warn } from "../../base/warning.ts";
import {
  digestFunction,
  findChangedSource,
  type SourceWitness,
} from "../../call/module_sources.ts";
import { tasksOf } from "../../task/definition.ts";
import { capture } from "../../value/capture.ts";
import { encodeValue } from "../../value/codec/encode_value.ts";
import { digestArgument } from "../../value/digest/digest_value.ts";
import type { CallCheck } from "../wire/call_context.ts";

/**
 * Makes sure that arguments are what the key of the call was made of.
 *
 * @param name What the call is named in errors.
 * @param args The arguments as they came.
 * @param digests The digests of those that may be others by now.
 * @throws {ChangedArgumentError} When one is.
 */
export function checkArguments(
  name: string,
  args: readonly unknown[],
  digests: CallCheck["digests"],
): void {
  for (const [position, digest] of digests) {
    const path = `args[${position}]`;
    if (digestArgument(args[position], { root: path }) === digest) continue;
    throw new ChangedArgumentError(
      `Cannot run "${name}" as ${path} is not what its key was made of: it was changed while the ` +
        "call waited, or lost its class on the way to a worker; pass a copy, or plain data",
      path,
    );
  }
}

/**
 * Tells whether a result arrives as it is where it is to be stored: an instance of a class becomes a
 * plain object on the way.
 *
 * @param name What the call is named in warnings.
 * @param value The result.
 * @param warn Told why it cannot be stored.
 * @returns Whether it may be stored.
 */
export function isStorable(name: string, value: unknown, warn: Warn): boolean {
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

/** The code of a module as this worker has loaded it. */
export class LoadedCode {
  /** Whether more of it may be loaded while a call runs. */
  readonly late: boolean;
  readonly #module: string;
  readonly #sources: SourceWitness;
  #changed: string | undefined;
  #looked = false;

  /**
   * Looks at nothing yet.
   *
   * @param module The URL of the module.
   * @param sources The code that keys were made of.
   */
  constructor(module: string, sources: SourceWitness) {
    this.#module = module;
    this.#sources = sources;
    this.late = sources.late.length > 0;
  }

  /**
   * Finds out whether it is the code that keys were made of: all of it once, and what may be loaded
   * later each time.
   *
   * @returns The URL of a file that is not, or may not be, the same.
   */
  changed(): string | undefined {
    if (this.#changed !== undefined || this.#looked && !this.late) return this.#changed;
    const files = this.#looked ? this.#sources.late : this.#sources.files;
    this.#looked = true;
    // This worker has loaded nothing before it began.
    const loadedAt = performance.timeOrigin;
    return this.#changed = findChangedSource({ ...this.#sources, files }, loadedAt) ??
      (this.#hasOtherFunctions() ? this.#module : undefined);
  }

  #hasOtherFunctions(): boolean {
    const functions = new Map(Object.entries(this.#sources.functions ?? {}));
    return tasksOf(this.#module).some(({ name, fn }) => {
      const digest = functions.get(name);
      return digest !== undefined && digest !== digestFunction(fn);
    });
  }
}
