import type { Cache } from "../../mod.ts";
import { type CallSelection, type Condition, query, type QueryTemplate, where } from "../caches.ts";
import { type Command, type CommandCall, UsageError } from "./command.ts";
import { parseDuration } from "./format.ts";
import { warn } from "./open_cache.ts";

/** The options by which calls are chosen. */
export interface FilterOptions {
  /** Of tasks of which module. */
  readonly module?: string;
  /** Of which version of the task. */
  readonly taskVersion?: string;
  /** With which arguments, such as `rate>0.5`. */
  readonly arg?: readonly string[];
  /** With which tags. */
  readonly tag?: readonly string[];
  /** Those that ended before. */
  readonly before?: string;
  /** Those that ended at this or later. */
  readonly after?: string;
  /** Those that took longer. */
  readonly longer?: string;
  /** Those that have failed. */
  readonly failed?: boolean;
}

/** Says which options choose calls. */
export function addFilters(command: Command): void {
  command
    .option("--module <module>", "of this module only, as records know it")
    .option("--task-version <version>", "of this version of the task only")
    .option("-a, --arg <condition>", "with this argument or field of one: rate>0.5", collect)
    .option("-t, --tag <condition>", "with this tag: run=friday, or run for any", collect)
    .option("--before <time>", "that ended before: 2026-01-31, or 2d for two days ago")
    .option("--after <time>", "that ended at this time or later")
    .option("--longer <time>", "that took longer: 90s");
}

/** The option that chooses failures. */
export const FAILED_OPTION = [
  "--failed",
  "that have failed, as far as failures are kept",
] as const;

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/** Whether any of the options chooses calls. */
export function hasFilters(options: FilterOptions): boolean {
  const { module, taskVersion, arg, tag, before, after, longer, failed } = options;
  return [module, taskVersion, arg, tag, before, after, longer, failed].some((one) =>
    one !== undefined
  );
}

function toTemplate(options: FilterOptions, task?: string): QueryTemplate {
  const { module, arg, tag, before, after, longer, failed } = options;
  return {
    ...(task !== undefined && { task }),
    ...(module !== undefined && { module }),
    ...(arg !== undefined && { args: toConditions("arg", arg) }),
    ...(tag !== undefined && { tags: toConditions("tag", tag) }),
    ...(before !== undefined && { before: toMoment("before", before) }),
    ...(after !== undefined && { after: toMoment("after", after) }),
    ...(longer !== undefined && { duration: where.above(toLength("longer", longer)) }),
    ...(failed === true && { state: "failed" as const }),
  };
}

/**
 * Selects the calls that are asked for.
 *
 * @param call The call of the command, with its options.
 * @param cache The cache.
 * @param task The task, if one is named.
 * @throws {UsageError} When a condition, a time or a length of time is none.
 */
export function selectCalls(
  call: CommandCall<FilterOptions>,
  cache: Cache,
  task?: string,
): CallSelection {
  const { taskVersion } = call.options;
  const calls = query(cache, toTemplate(call.options, task), {
    onWarning: ({ message }) => warn(call, message),
  });
  // A number and the text of it are typed alike.
  return taskVersion === undefined
    ? calls
    : calls.filter(({ version }) => String(version) === taskVersion);
}

/**
 * Reads a length of time.
 *
 * @returns Milliseconds.
 */
export function toLength(option: string, text: string): number {
  const length = parseDuration(text);
  if (length !== undefined) return length;
  throw new UsageError(
    `Cannot use --${option} ${
      JSON.stringify(text)
    }: a length of time is a number with ms, s, min, h, ` +
      "d or w, such as 90s",
  );
}

/** Reads a date, or how long ago. */
export function toMoment(option: string, text: string): Date {
  const length = parseDuration(text);
  if (length !== undefined) return new Date(Date.now() - length);
  const time = new Date(text);
  if (/^\d{4}-\d\d/.test(text) && !Number.isNaN(time.getTime())) return time;
  throw new UsageError(
    `Cannot use --${option} ${JSON.stringify(text)}: a time is a date such as 2026-01-31 or ` +
      "2026-01-31T12:00, or how long ago, such as 2d",
  );
}

type Compare = (bound: number | string) => Condition;

const COMPARE: { readonly [operator: string]: Compare } = {
  ">": (bound) => where.above(bound),
  ">=": (bound) => where.atLeast(bound),
  "<": (bound) => where.below(bound),
  "<=": (bound) => where.atMost(bound),
};

/** What a condition compares with. */
type Scalar = null | boolean | number | string;

function toConditions(
  option: string,
  texts: readonly string[],
): { [name: string]: Condition | ((value: unknown) => boolean) | Scalar } {
  const entries = texts.map((text) => {
    const [, name = "", operator, bound = ""] =
      /^([^=!<>]+)(?:(!=|>=|<=|=|>|<)(.*))?$/s.exec(text) ??
        [];
    if (name === "") {
      throw new UsageError(
        `Cannot use --${option} ${
          JSON.stringify(text)
        }: a condition is a name, or a name, one of ` +
          "= != > >= < <= and a value, in quotes for the shell: 'rate>0.5'",
      );
    }
    return [name.trim(), toCondition(operator, bound)] as const;
  });
  const names = entries.map(([name]) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new UsageError(
      `Cannot use --${option} ${JSON.stringify(twice)} twice: give one condition`,
    );
  }
  return Object.fromEntries(entries);
}

function toCondition(
  operator: string | undefined,
  text: string,
): Condition | ((value: unknown) => boolean) | Scalar {
  if (operator === undefined) return where.present;
  const bound = toScalar(text.trim());
  if (operator === "=") return bound;
  if (operator === "!=") return (value) => value !== bound;
  if (typeof bound === "number" || typeof bound === "string") {
    const compare = COMPARE[operator];
    if (compare !== undefined) return compare(bound);
  }
  throw new UsageError(`Cannot compare with ${JSON.stringify(text)} by ${operator}`);
}

/** What is JSON's number, text, true, false or null is that; all else is a text. */
function toScalar(text: string): Scalar {
  try {
    const value: unknown = JSON.parse(text);
    if (value === null || typeof value !== "object") return value as Scalar;
  } catch {
    // A text without quotes.
  }
  return text;
}
