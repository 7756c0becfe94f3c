/** What numbers, texts and dates are compared with. */
export type Bound = number | bigint | string | Date;

/** A condition as data, for stores that look by it. */
export type ConditionData =
  | { readonly is: "present" | "absent" }
  | { readonly is: "above" | "atLeast" | "below" | "atMost"; readonly bound: number | string }
  | { readonly is: "all"; readonly of: readonly ConditionData[] };

/**
 * What a value of a record has to be like, other than equal to another; made by {@linkcode where}.
 */
export class Condition {
  /**
   * Tells whether a value is like that; `undefined` stands for one that is not there.
   *
   * An own function: structured clone refuses it, where it would make another object of a condition.
   */
  readonly matches: (value: unknown) => boolean;
  readonly #data: ConditionData | undefined;

  /**
   * Takes what tells.
   *
   * @param matches Tells whether a value is like that; `undefined` where there is none.
   * @param data The same as data, where a store may look by it.
   * @internal
   */
  constructor(matches: (value: unknown) => boolean, data?: ConditionData) {
    this.matches = matches;
    this.#data = data;
  }

  /**
   * The same as data, where a store may look by it.
   *
   * @internal
   */
  get data(): ConditionData | undefined {
    return this.#data;
  }
}

/**
 * Asks a user's function.
 *
 * @typeParam T What it is asked about.
 * @throws {TypeError} When it answers with a promise, which would always be true.
 */
export function ask<T>(test: (value: T) => unknown, value: T): boolean {
  const answer = test(value);
  if (typeof answer === "object" && answer !== null && "then" in answer) {
    throw new TypeError(
      "Cannot match calls: a function that tells which has returned a promise; it has to answer at once",
    );
  }
  return Boolean(answer);
}

/** Makes conditions: see {@linkcode where}. */
export interface Where {
  /** There is a value, whatever it is. */
  readonly present: Condition;
  /** There is none. */
  readonly absent: Condition;
  /** More than a bound of the same type: a number, a text (in the order of UTF-16) or a date. */
  above(bound: Bound): Condition;
  /** A bound or more. */
  atLeast(bound: Bound): Condition;
  /** Less than a bound. */
  below(bound: Bound): Condition;
  /** A bound or less. */
  atMost(bound: Bound): Condition;
  /** From one bound to another, which both count. */
  between(least: Bound, most: Bound): Condition;
}

/**
 * Conditions for {@linkcode query}, where equality will not do: of tags, metadata, duration, size,
 * arguments and results. What is of another type than the bound does not match, and nothing matches
 * what is absent but `where.absent`.
 *
 * Each throws a `TypeError` when its bound is of another type, and a `RangeError` when it is NaN or no
 * date.
 *
 * @example Find calls by a comparison
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { query, where } from "@quiver/quiver/caches";
 * import { assertEquals } from "@std/assert";
 *
 * const cache = createMemoryCache();
 * const decay = task(import.meta, (rate: number) => Math.exp(-rate), { name: "decay" });
 * await cacheScope({ cache, tags: { run: 3 } }, () => Promise.all([1, 2, 3].map((n) => decay(n))));
 * assertEquals(await query(cache, { args: { rate: where.above(1) } }).count(), 2);
 * assertEquals(await query(cache, { tags: { run: where.between(1, 2) } }).count(), 0);
 * assertEquals(await query(cache, { tags: { run: where.present } }).count(), 3);
 * ```
 */
export const where: Where = {
  present: new Condition((value) => value !== undefined, { is: "present" }),
  absent: new Condition((value) => value === undefined, { is: "absent" }),
  above: (bound) => compared("above", bound, (order) => order > 0),
  atLeast: (bound) => compared("atLeast", bound, (order) => order >= 0),
  below: (bound) => compared("below", bound, (order) => order < 0),
  atMost: (bound) => compared("atMost", bound, (order) => order <= 0),
  between: (least, most) => {
    const both = [where.atLeast(least), where.atMost(most)];
    const data = both.map(({ data }) => data).filter((data) => data !== undefined);
    return new Condition(
      (value) => both.every((one) => one.matches(value)),
      data.length === both.length ? { is: "all", of: data } : undefined,
    );
  },
};

function compared(
  is: "above" | "atLeast" | "below" | "atMost",
  bound: Bound,
  holds: (order: number) => boolean,
): Condition {
  checkBound(is, bound);
  const matches = (value: unknown) => {
    const order = compareValues(value, bound);
    return order !== undefined && holds(order);
  };
  return typeof bound === "number" || typeof bound === "string"
    ? new Condition(matches, { is, bound })
    : new Condition(matches);
}

function checkBound(name: string, bound: unknown): void {
  const isKnown = typeof bound === "number" || typeof bound === "bigint" ||
    typeof bound === "string" || bound instanceof Date;
  if (!isKnown) {
    throw new TypeError(
      `Cannot compare by \`where.${name}\`: the bound is a number, a bigint, a text or a Date, ` +
        `not ${bound === null ? "null" : typeof bound}`,
    );
  }
  if (Number.isNaN(bound instanceof Date ? bound.getTime() : bound)) {
    const what = bound instanceof Date ? "no date" : "NaN";
    throw new RangeError(`Cannot compare by \`where.${name}\`: the bound is ${what}`);
  }
}

/**
 * Compares two values of one type.
 *
 * @returns Less than, more than or equal to 0; `undefined` where they cannot be compared.
 */
export function compareValues(one: unknown, other: unknown): number | undefined {
  const [a, b] = [toComparable(one), toComparable(other)];
  if (a === undefined || b === undefined || a.type !== b.type) return undefined;
  if (a.value < b.value) return -1;
  if (a.value > b.value) return 1;
  // NaN is neither.
  return Number.isNaN(a.value) || Number.isNaN(b.value) ? undefined : 0;
}

function toComparable(
  value: unknown,
): { readonly type: string; readonly value: number | bigint | string } | undefined {
  if (typeof value === "number" || typeof value === "bigint") return { type: "number", value };
  if (typeof value === "string") return { type: "text", value };
  if (value instanceof Date) return { type: "date", value: value.getTime() };
  return undefined;
}
