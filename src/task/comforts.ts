import {
  BOOLEAN,
  checkOptions,
  COUNT,
  COUNT_OR_NONE,
  FUNCTION,
  numeric,
  ofKind,
  type OptionRule,
  type OptionRules,
  TIMEOUT,
} from "../base/check_options.ts";

/** How a call that has failed is tried again. */
export interface RetryOptions {
  /** How many times at most. */
  times: number;
  /**
   * How long to wait before the first time, in milliseconds. The call's worker takes others meanwhile.
   *
   * @default {0}
   */
  delay?: number;
  /**
   * By how much each wait is longer than the one before.
   *
   * @default {2}
   */
  factor?: number;
  /**
   * By which share a wait is longer or shorter at random, from 0 to 1: calls that have failed together do
   * not come again together.
   *
   * @default {0}
   */
  jitter?: number;
  /**
   * Tells of what a call has thrown whether trying again may help; it is asked where the call was made.
   * It is asked of `DeadlineError`, too, which else is final. Only `true` has it run again; when it throws,
   * the call fails with its own error, and a warning says so.
   *
   * @default {() => true, but for a deadline}
   */
  when?: (error: unknown) => boolean;
}

/** How many calls may begin. */
export interface RateOptions {
  /** How many, in any time of that length. */
  calls: number;
  /** The time, in milliseconds. */
  per: number;
}

/** What a call must have of its executor before it may begin, as its task says. */
export interface CallDemand {
  /** The limits that it counts for. */
  readonly limits: readonly string[];
  /** How much it needs of what the executor has, by name. */
  readonly needs: { readonly [name: string]: number };
  /** How many calls of the task may begin. */
  readonly rate?: Readonly<RateOptions> | undefined;
}

/**
 * The options of a task that say how its calls are made: by an executor, and `retries`, `deadline` and
 * `rate` also where it is called as a function.
 */
export interface ComfortOptions {
  /**
   * How often a call is tried again when it fails, whichever executor runs it, or none: a number, or how;
   * what an executor's `with()` says goes before.
   *
   * @default {what the executor says}
   */
  retries?: number | RetryOptions;
  /**
   * How long the body may run, in milliseconds from its start, as the `deadline` of `executor.with()`,
   * which goes before. Where it was called as a function, its signal aborts, and nobody can end it.
   *
   * @default {Infinity}
   */
  deadline?: number;
  /**
   * How many of its calls may begin on one executor in any time of that length, attempts counted:
   * `{ calls: 10, per: 1000 }` for ten a second. The others wait, and no worker with them. Those that are
   * called as functions in one isolate have a rate of their own together.
   */
  rate?: RateOptions;
  /**
   * Names of limits of the executor that its calls count for while they run, together with those of
   * other tasks: `["api"]` for `new Executor({ limits: { api: 3 } })`. Where the task is called as a
   * function, nobody has said how many there may be, and none is counted.
   */
  limits?: readonly string[];
  /**
   * What a call needs of what the executor has while it runs, by name: `{ memory: 4e9, gpu: 1 }` for
   * `new Executor({ has: { memory: 64e9, gpu: 2 } })`. An executor without `has` looks at none of it.
   */
  needs?: { readonly [name: string]: number };
  /**
   * Whether each body has a directory of its own (`currentDirectory()`), which is removed when it has
   * ended, however it has; `"keep"` leaves it there. Requires `--allow-write` of the folder for temporary
   * files.
   *
   * @default {false}
   */
  isolate?: boolean | "keep";
}

/** What of them an executor looks at. */
export interface Comforts {
  /** How often a call is tried again. */
  readonly retries?: number | RetryOptions;
  /** How long its body may run, in milliseconds. */
  readonly deadline?: number;
  /** What it must have before it begins. */
  readonly demand?: CallDemand;
}

const RETRY_RULES: OptionRules<RetryOptions> = {
  times: COUNT_OR_NONE,
  delay: TIMEOUT,
  factor: numeric("must be a number from 1 on", (value) => value >= 1 && value < Infinity),
  jitter: numeric("must be a number from 0 to 1", (value) => value >= 0 && value <= 1),
  when: FUNCTION,
};

const RATE_RULES: OptionRules<RateOptions> = {
  calls: COUNT,
  per: numeric(
    "must be a positive number of milliseconds",
    (value) => value > 0 && value < 2 ** 31,
  ),
};

/** How often: a number, or how, which {@linkcode checkRetries} looks at. */
export const RETRIES: OptionRule = {
  allows: (value) => COUNT_OR_NONE.allows(value) || typeof value === "object" && value !== null,
  says: COUNT_OR_NONE.says,
  number: true,
};

const isAmount = (value: unknown) => typeof value === "number" && value >= 0 && value < Infinity;

/**
 * Makes the rule of numbers by name.
 *
 * @param must What each must be, as in "positive integers".
 * @param allows Tells of one whether it is.
 */
export function numbersByName(must: string, allows: (value: unknown) => boolean): OptionRule {
  return ofKind(`an object whose values are ${must}`, (value) => {
    if (typeof value !== "object" || value === null) return false;
    const prototype: unknown = Object.getPrototypeOf(value);
    const isPlain = prototype === Object.prototype || prototype === null;
    return isPlain && Object.values(value).every(allows);
  });
}

/** Amounts by name. */
export const AMOUNTS: OptionRule = numbersByName("numbers that are not negative", isAmount);

/** Rules of the options. */
export const COMFORT_RULES: OptionRules<ComfortOptions> = {
  retries: RETRIES,
  deadline: TIMEOUT,
  rate: ofKind("an object", (value) => typeof value === "object" && value !== null),
  limits: ofKind(
    "an array of names of limits",
    (value) => Array.isArray(value) && value.every((one) => typeof one === "string" && one !== ""),
  ),
  needs: AMOUNTS,
  isolate: { ...BOOLEAN, allows: (value) => value === "keep" || BOOLEAN.allows(value) },
};

/**
 * Checks how calls are tried again.
 *
 * @param action What cannot be done with wrong options.
 * @throws {TypeError} When an option is unknown or of the wrong type, or `times` is missing.
 * @throws {RangeError} When a number is out of range.
 */
export function checkRetries(action: string, retries: number | RetryOptions | undefined): void {
  if (typeof retries !== "object") return;
  checkOptions(`${action} with the option \`retries\``, retries, RETRY_RULES);
  requireField(`${action} with the option \`retries\``, retries, "times");
}

function requireField<T extends object>(action: string, options: T, name: keyof T & string): void {
  if (options[name] !== undefined) return;
  throw new TypeError(`Cannot ${action}: its \`${name}\` is missing`);
}

/**
 * Makes of a task's options what an executor looks at.
 *
 * @param action What cannot be done with wrong options.
 * @param options Those of the task, which follow the rules.
 * @returns What there is; nothing where there is none, as for nearly all tasks.
 * @throws {TypeError} When something inside of them is unknown or of the wrong type.
 * @throws {RangeError} When a number is out of range.
 */
export function toComforts(
  action: string,
  { retries, deadline, rate, limits = [], needs = {} }: ComfortOptions,
): Comforts | undefined {
  checkRetries(action, retries);
  if (rate !== undefined) {
    checkOptions(`${action} with the option \`rate\``, rate, RATE_RULES);
    requireField(`${action} with the option \`rate\``, rate, "calls");
    requireField(`${action} with the option \`rate\``, rate, "per");
  }
  const needed = Object.entries(needs).filter(([, amount]) => amount > 0);
  const demands = rate !== undefined || limits.length > 0 || needed.length > 0;
  if (retries === undefined && deadline === undefined && !demands) return undefined;
  // What the caller changes in them later does not count.
  return {
    ...(retries !== undefined &&
      { retries: typeof retries === "number" ? retries : { ...retries } }),
    ...(deadline !== undefined && { deadline }),
    ...(demands && {
      demand: {
        limits: [...new Set(limits)],
        needs: Object.fromEntries(needed),
        ...(rate !== undefined && { rate: { ...rate } }),
      },
    }),
  };
}

/**
 * Tells how long a call that has failed waits before it is tried again.
 *
 * @param attempt Which attempt at it has failed, from 1.
 * @returns How long, in milliseconds.
 */
export function delayOf(retries: number | RetryOptions, attempt: number): number {
  if (typeof retries === "number") return 0;
  const { delay = 0, factor = 2, jitter = 0 } = retries;
  const spread = 1 + jitter * (2 * Math.random() - 1);
  return delay === 0 ? 0 : Math.min(delay * factor ** (attempt - 1) * spread, 2 ** 31 - 1);
}

/** How many times a call is tried again at most. */
export function timesOf(retries: number | RetryOptions): number {
  return typeof retries === "number" ? retries : retries.times;
}

/** What an executor has, of which calls take some while they run. */
export interface Capacity {
  /** How many calls may run at once that count for a limit, by its name; none, if not given. */
  readonly limits?: { readonly [name: string]: number } | undefined;
  /** How much there is, by name; what calls need is not looked at, if not given. */
  readonly has?: { readonly [name: string]: number } | undefined;
}

/**
 * Refuses a task of which no call could ever begin.
 *
 * @param capacity What the executor has.
 * @throws {TypeError} When there is no such limit, or the task needs more than there is.
 */
export function assertAdmissible(
  { name, comforts }: { readonly name: string; readonly comforts: Comforts | undefined },
  { limits = {}, has }: Capacity,
): void {
  const { demand } = comforts ?? {};
  if (demand === undefined) return;
  const unknown = demand.limits.find((limit) => !Object.hasOwn(limits, limit));
  if (unknown !== undefined) {
    throw new TypeError(
      `Cannot submit "${name}": the executor has no limit "${unknown}", but ` +
        `${Object.keys(limits).join(", ") || "none"}; create it with ` +
        `\`limits: { ${JSON.stringify(unknown)}: 3 }\`, say`,
    );
  }
  if (has === undefined) return;
  for (const [what, amount] of Object.entries(demand.needs)) {
    const there = Object.hasOwn(has, what) ? has[what] ?? 0 : 0;
    if (amount <= there) continue;
    throw new TypeError(
      `Cannot submit "${name}": it needs ${amount} of "${what}", and the executor has ${there}; ` +
        "create it with more in `has`, or let the task need less",
    );
  }
}
