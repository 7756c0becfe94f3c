import {
  BOOLEAN,
  FUNCTION,
  numeric,
  oneOf,
  type OptionRule,
  type OptionRules,
} from "../base/check_options.ts";
import type { Validity } from "../cache/cache.ts";
import type { CallRecord, TaskAddress } from "../call/call_record.ts";
import { toAbsolute, toPath } from "../value/file/file_handle.ts";
import { COMFORT_RULES, type ComfortOptions } from "./comforts.ts";

/** Options of `task`. */
export interface TaskOptions extends ComfortOptions {
  /**
   * The task's name in its module.
   *
   * @default {fn.name}
   */
  name?: string;
  /**
   * What keys and records know the task by, such as `"ising/simulate"`, instead of its module and name:
   * its calls stay known when it moves to another file or project, or gets another name. What comes
   * after the last slash stands for the name, and what is before for the module.
   *
   * @default {the name of the nearest `deno.json`, `jsr.json` or `package.json` that has one, the path of
   * the module from there, and the task's name; without such, the URL of the module}
   */
  id?: string;
  /**
   * Part of the key, a text or a finite number: change it to have every call run again. `1` and
   * `"1"` differ.
   */
  version?: string | number;
  /**
   * Which code is part of the key; comments, layout and types never count.
   *
   * - `"reach"`: the function, and all that it uses of its module and of other local modules, directly
   *   or not; of packages the version.
   * - `"module"`: the function, and all of its module and of the local modules that it imports.
   * - `"function"`: the function itself.
   * - `"none"`: nothing, which leaves it to `version` to have calls run again.
   *
   * To see more than the function takes `--allow-read` of the modules, of the configuration and the
   * lock file beside them, and of Quiver's files; without it, it is as with `"function"`, and a warning
   * says so.
   *
   * @default {"reach"}
   */
  code?: "reach" | "module" | "function" | "none";
  /**
   * Names of parameters that are not part of the key, such as `verbose`. Which they are is part of
   * it: a call that was remembered whatever `verbose` was is another call than one whose `verbose`
   * counts.
   */
  ignore?: readonly string[];
  /**
   * Names of parameters that must be given, and not as `undefined`; a call without one of them warns
   * and is not remembered.
   */
  require?: readonly string[];
  /**
   * Files and directories that the function reads by name, such as
   * `[new URL("./table.csv", import.meta.url)]`: their contents are part of the key, as those of
   * arguments are that are given by `file()`. They count for the tasks that call this one, too, and for
   * those that it is an argument of.
   *
   * Requires `--allow-read` of them.
   */
  inputs?: readonly (string | URL)[];
  /**
   * Environment variables that the function reads: their values are part of the key, and whether they
   * are set. The record has a digest of each, by which a short secret could be found out.
   *
   * Requires `--allow-env` of them.
   */
  env?: readonly string[];
  /**
   * Which arguments of its calls are stored beside their results, whatever the scope says: all, those
   * of up to 64 KiB each (65,536 bytes, with all arrays in it), or none. Of the others a record has the
   * digests only: they count for the key, but nobody can read what they were, and `rekey()` cannot
   * carry their calls over should the rules of digests change.
   *
   * @default {"small"}
   */
  storeArguments?: "all" | "small" | "none";
  /**
   * For how long after its body has ended a result is known, in milliseconds; then the call runs again,
   * once for all who ask. A result from the future, as a clock was ahead, is one of now; one from further
   * ahead than results are known has expired. It is no part of the key.
   *
   * @default {Infinity}
   */
  expiresAfter?: number;
  /**
   * For how long a result that has expired is given all the same, in milliseconds: at once, while the
   * call runs again, where it was made and when the caller has gone on. What it throws then is a warning.
   *
   * @default {0}
   */
  staleWhileRevalidate?: number;
  /**
   * Tells of the record of a call whether its result still counts, each time before it is given; if not,
   * the call runs again. Where it answers at once, hits do. What it throws is a warning, and the call
   * runs. It is no part of the key, and asked wherever the task is called, on workers, too.
   *
   * @default {() => true}
   */
  validate?: (record: CallRecord) => boolean | Promise<boolean>;
  /**
   * Whether each call runs, though it is known; its result is remembered for `query` and the like. Calls
   * that are made meanwhile share one run, as ever.
   *
   * @default {false}
   */
  refresh?: boolean;
}

function toKind(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array of something else" : typeof value;
}

const NAMES: OptionRule = {
  allows: (value) => Array.isArray(value) && value.every((one) => typeof one === "string"),
  says: (option, value) =>
    `: the option \`${option}\` is an array of parameter names, ` +
    `not ${typeof value === "string" ? JSON.stringify(value) : toKind(value)}`,
};

const DURATION: OptionRule = numeric(
  "must be Infinity or a number of milliseconds that is not negative",
  (value) => value >= 0,
);

/** What each option may be. */
export const TASK_RULES: OptionRules<TaskOptions> = {
  name: {
    allows: (value) => typeof value === "string",
    says: (_, value) => `: the option \`name\` is a string, not ${toKind(value)}`,
  },
  id: {
    allows: (value) => typeof value === "string" && value.split("/").every((part) => part !== ""),
    says: (_, value) =>
      ": the option `id` is a text of one or more parts with a slash between them, such as " +
      `"ising/simulate", not ${typeof value === "string" ? JSON.stringify(value) : toKind(value)}`,
  },
  version: {
    allows: (value) => typeof value === "string" || Number.isFinite(value),
    says: (_, value) =>
      ": the option `version` is a string or a finite number, " +
      `not ${typeof value === "number" ? value : toKind(value)}`,
  },
  code: oneOf(["reach", "module", "function", "none"]),
  storeArguments: oneOf(["all", "small", "none"]),
  ignore: NAMES,
  require: NAMES,
  inputs: {
    allows: (value) =>
      Array.isArray(value) &&
      value.every((one) => typeof one === "string" && one !== "" || one instanceof URL),
    says: (_, value) =>
      ": the option `inputs` is an array of paths or `file:` URLs, such as " +
      `\`[new URL("./table.csv", import.meta.url)]\`, not ${toKind(value)}`,
  },
  env: {
    allows: (value) =>
      Array.isArray(value) && value.every((one) => typeof one === "string" && one !== ""),
    says: (_, value) =>
      ": the option `env` is an array of names of environment variables, not " +
      (typeof value === "string" ? JSON.stringify(value) : toKind(value)),
  },
  expiresAfter: DURATION,
  staleWhileRevalidate: DURATION,
  validate: FUNCTION,
  refresh: BOOLEAN,
  ...COMFORT_RULES,
};

/**
 * What says how long results count.
 *
 * @returns Nothing where they always do.
 * @throws {TypeError} When there is no time at which they become stale.
 */
export function toValidity(
  { name = "", expiresAfter, staleWhileRevalidate, validate, refresh = false }: TaskOptions,
): Validity | undefined {
  if (staleWhileRevalidate !== undefined && expiresAfter === undefined) {
    throw new TypeError(
      `Cannot define task "${name}": \`staleWhileRevalidate\` is for results that have expired; set ` +
        "`expiresAfter`, too",
    );
  }
  if (expiresAfter === undefined && validate === undefined && !refresh) return undefined;
  return {
    refresh,
    ...(expiresAfter !== undefined && { expiresAfter }),
    ...(staleWhileRevalidate !== undefined && { staleWhileRevalidate }),
    ...(validate !== undefined && { validate }),
  };
}

/** What is read by name. */
export interface ReadNames {
  /** Files and directories. */
  readonly inputs: readonly TaskInput[];
  /** The names of environment variables. */
  readonly env: readonly string[];
}

/** What a task reads by name. */
export interface TaskReads extends ReadNames {
  /** What the tasks read that it may call: they may also be the ones to write it. */
  readonly called: readonly ReadNames[];
}

/** What a task reads that says nothing of that. */
export const NOTHING_READ: ReadNames = { inputs: [], env: [] };

/** A file or directory that a task reads by name. */
interface TaskInput {
  /** What it is called in records. */
  readonly name: string;
  /** Where it is. */
  readonly path: string;
}

/**
 * What a task says that it reads by name.
 *
 * @returns Nothing where it says nothing.
 */
export function toReads(
  { inputs = [], env = [] }: TaskOptions,
  address: TaskAddress,
): TaskReads | undefined {
  if (inputs.length === 0 && env.length === 0) return undefined;
  return { inputs: inputs.map((input) => toInput(input, address)), env: [...env], called: [] };
}

function toInput(input: string | URL, { module, name }: TaskAddress): TaskInput {
  const path = toAbsolute(toPath(input, `define task "${name}" with the option \`inputs\``));
  const text = String(input);
  const folder = module.slice(0, module.lastIndexOf("/") + 1);
  return {
    name: folder !== "" && text.startsWith(folder) ? `./${text.slice(folder.length)}` : text,
    path,
  };
}

/** What the option `id` says that keys and records know the task by. */
export function fromId(id: string): TaskAddress {
  const end = id.lastIndexOf("/");
  return { module: id.slice(0, Math.max(0, end)), name: id.slice(end + 1) };
}
