import {
  BOOLEAN,
  checkOptions,
  COUNT,
  COUNT_OR_NONE,
  numeric,
  oneOf,
  type OptionRules,
} from "../../base/check_options.ts";
import { Axis, Sweep, toAxis } from "./sweep.ts";

/** Numbers at equal distances. */
class Range extends Axis<number> {
  readonly length: number;
  readonly #begin: number;
  readonly #step: number;
  /** How many digits behind the point the numbers have, where they are decimal ones. */
  readonly #digits: number | undefined;

  constructor(begin: number, end: number, step: number) {
    super();
    this.#begin = begin;
    this.#step = step;
    const digits = Math.max(digitsOf(begin), digitsOf(step));
    this.#digits = digits <= MOST_DIGITS ? digits : undefined;
    this.length = countWritten(begin, end, step) ?? countSteps(begin, end, step);
  }

  protected valueAt(index: number): number {
    const value = this.#begin + index * this.#step;
    return this.#digits === undefined ? value : Number(value.toFixed(this.#digits)) + 0;
  }

  [Symbol.for("Deno.customInspect")](): string {
    return `Range(${this.length}) from ${this.#begin} in steps of ${this.#step}`;
  }
}

/** What the quotient of two numbers may be off, as a share of it. */
const ROUNDING = 4 * Number.EPSILON;

/** A number with more digits than this is no decimal one that somebody has written. */
const MOST_DIGITS = 12;

/** Counts decimal numbers as they are written: -4.6 + 4.9 is not 0.3. */
function countWritten(...numbers: [begin: number, end: number, step: number]): number | undefined {
  const digits = Math.max(...numbers.map(digitsOf));
  if (digits > MOST_DIGITS) return undefined;
  const scaled = numbers.map((number) => Math.round(number * 10 ** digits));
  const [begin = 0, end = 0, step = 1] = scaled;
  if (!scaled.every(Number.isSafeInteger) || !Number.isSafeInteger(end - begin)) return undefined;
  const rest = (end - begin) % step;
  return (end - begin - rest) / step + (rest === 0 ? 0 : 1);
}

function countSteps(begin: number, end: number, step: number): number {
  const steps = (end - begin) / step;
  const nearest = Math.round(steps);
  // 3 / (1 / 3) may be a little more than 9.
  return Math.abs(steps - nearest) <= nearest * ROUNDING ? nearest : Math.ceil(steps);
}

function digitsOf(number: number): number {
  const [mantissa = "", exponent = "0"] = String(number).split("e");
  return Math.max(0, (mantissa.split(".")[1]?.length ?? 0) - Number(exponent));
}

/**
 * Numbers from 0 on, in steps of 1.
 *
 * @param end Where they end; it is not among them.
 * @returns The numbers.
 * @throws {RangeError} When it is negative, NaN or infinite.
 */
export function range(end: number): Axis<number>;
/**
 * Numbers at equal distances. Decimal numbers stay what they are written as: the fourth of
 * `range(0, 1, 0.1)` is `0.3`.
 *
 * @param begin The first.
 * @param end Where they end; it is not among them.
 * @param step The distance from one to the next; a negative one counts down.
 * @returns The numbers.
 * @throws {RangeError} When one of them is NaN or infinite, the step is 0, or it leads away from the end.
 *
 * @example Numbers for an axis
 * ```ts
 * import { range } from "@quiver/quiver/sweeps";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([...range(3)], [0, 1, 2]);
 * assertEquals([...range(0.1, 0.5, 0.1)], [0.1, 0.2, 0.3, 0.4]);
 * assertEquals([...range(2, 0, -1)], [2, 1]);
 * ```
 */
export function range(begin: number, end: number, step?: number): Axis<number>;
export function range(first: number, last?: number, step: number = 1): Axis<number> {
  const [begin, end] = last === undefined ? [0, first] : [first, last];
  for (const [name, value] of Object.entries({ begin, end, step })) {
    if (typeof value !== "number") {
      throw new TypeError(`Cannot make a range: its ${name} is a number, not ${typeof value}`);
    }
    if (!Number.isFinite(value)) {
      throw new RangeError(
        `Cannot make a range: its ${name} is ${value}, which is no finite number`,
      );
    }
  }
  const name = `from ${begin} to ${end}`;
  if (step === 0) throw new RangeError(`Cannot make a range ${name}: its step is 0`);
  if ((end - begin) * step < 0) {
    const remedy = step < 0 ? "positive step to count up" : "negative step to count down";
    throw new RangeError(
      `Cannot make a range ${name}: a step of ${step} leads away from its end; give a ${remedy}`,
    );
  }
  const made = new Range(begin, end, step);
  if (Number.isSafeInteger(made.length)) return made;
  throw new RangeError(
    `Cannot make a range ${name}: steps of ${step} are more than can be counted`,
  );
}

/** Random numbers of one axis. */
export interface RandomNumbers {
  /** The least. */
  readonly from: number;
  /** Where they end; it is not among them. */
  readonly to: number;
  /**
   * Whether they are integers.
   *
   * @default {false}
   */
  readonly integer?: boolean;
  /**
   * Whether numbers, or their logarithms, are equally frequent between the two.
   *
   * @default {"linear"}
   */
  readonly scale?: "linear" | "log";
}

/** The axes of a random sweep: numbers from a range, or values to choose from. */
export interface RandomAxes {
  /** The numbers or values of an axis. */
  readonly [name: string]: RandomNumbers | Iterable<unknown>;
}

/** An item of a random sweep over these axes. */
export type RandomItem<A> = {
  -readonly [N in keyof A]: A[N] extends Iterable<infer V> ? V : number;
};

/** Options of {@linkcode random}. */
export interface RandomOptions {
  /** How many items there are. */
  count: number;
  /** What the items follow from, an integer from 0 on: the same seed gives the same items, for ever. */
  seed: number;
}

const RULES: OptionRules<RandomOptions> = {
  count: COUNT,
  seed: COUNT_OR_NONE,
};

const FINITE = numeric("must be a finite number", Number.isFinite);

const NUMBERS: OptionRules<RandomNumbers> = {
  from: FINITE,
  to: FINITE,
  integer: BOOLEAN,
  scale: oneOf(["linear", "log"]),
};

/**
 * Makes items at random, each the same whenever it is asked for. What one axis gives follows from the
 * seed and its name alone: with a greater `count` the first items stay as they are, and so do the others'
 * values when an axis is added.
 *
 * The numbers are those of sfc32 (Chris Doty-Humphrey, PractRand), begun anew for each value.
 *
 * @typeParam A The axes.
 * @param axes For each axis its name, and `{ from, to }` or values to choose from.
 * @param options How many items, and the seed.
 * @returns The items.
 * @throws {TypeError} When an option or axis is wrong.
 * @throws {RangeError} When a number is out of range, or an axis is empty or without end.
 *
 * @example Look at random places
 * ```ts
 * import { random } from "@quiver/quiver/sweeps";
 * import { assertEquals } from "@std/assert";
 *
 * const axes = { rate: { from: 1e-4, to: 1, scale: "log" }, method: ["euler", "heun"] } as const;
 * const places = random(axes, { count: 100, seed: 7 });
 * assertEquals(places.length, 100);
 * assertEquals([...random(axes, { count: 3, seed: 7 })], [...places].slice(0, 3));
 * ```
 */
export function random<const A extends RandomAxes>(
  axes: A,
  options: RandomOptions,
): Sweep<RandomItem<A>> {
  const action = "make random items";
  checkOptions(action, options, RULES);
  const { count, seed } = options;
  for (const name of ["count", "seed"] as const) {
    if (options[name] === undefined) {
      throw new TypeError(`Cannot ${action}: \`${name}\` is missing`);
    }
  }
  if (typeof axes !== "object" || axes === null || Symbol.iterator in axes) {
    throw new TypeError(`Cannot ${action}: the axes are an object, as in { name: { from, to } }`);
  }
  const all = Object.entries(axes).map(([name, values]) => {
    return [
      name,
      new RandomAxis(count, toChoose(action, name, values), toSeed(seed, name)),
    ] as const;
  });
  if (all.length === 0) {
    throw new TypeError(`Cannot ${action}: there is no axis; pass { name: { from, to } }`);
  }
  return new Sweep({
    length: count,
    axes: new Map(all),
    indices: (index) => all.map(([name]) => [name, index]),
  });
}

/** Makes of a number from 0 to 1 what an axis has there. */
type Choose<V = unknown> = (share: number) => V;

function toChoose(action: string, name: string, values: unknown): Choose {
  if (typeof values !== "object" || values === null || Symbol.iterator in values) {
    const axis = toAxis(action, name, values);
    return (share) => axis.at(Math.floor(share * axis.length));
  }
  const where = `${action} with the axis "${name}"`;
  checkOptions(where, values, NUMBERS);
  const { from, to, integer = false, scale = "linear" } = values as RandomNumbers;
  if (from === undefined || to === undefined) {
    throw new TypeError(`Cannot ${where}: it has { from, to } or values to choose from`);
  }
  if (!(from < to)) {
    throw new RangeError(`Cannot ${where}: \`from\` is ${from}, which is not less than ${to}`);
  }
  const isLog = scale === "log";
  if (isLog && from <= 0) {
    throw new RangeError(
      `Cannot ${where}: \`from\` must be more than 0 for a scale "log": ${from}`,
    );
  }
  if (integer && !(Number.isSafeInteger(from) && Number.isSafeInteger(to))) {
    throw new RangeError(
      `Cannot ${where}: \`from\` and \`to\` must be integers, as the numbers are`,
    );
  }
  const spread = isLog ? toLogSpread(from, to) : toSpread(from, to);
  return (share) => {
    const value = integer ? Math.floor(spread(share)) : spread(share);
    // Rounding may lead to the end, which is not among them.
    return value < from || value >= to ? from : value;
  };
}

/** Numbers from one to another by a share; their distance may be more than a number can be. */
function toSpread(from: number, to: number): Choose<number> {
  const distance = to - from;
  return Number.isFinite(distance)
    ? (share) => from + share * distance
    : (share) => from * (1 - share) + to * share;
}

/** The same of their logarithms. */
function toLogSpread(from: number, to: number): Choose<number> {
  const factor = to / from;
  if (Number.isFinite(factor)) return (share) => from * Math.exp(share * Math.log(factor));
  const exponent = toSpread(Math.log(from), Math.log(to));
  return (share) => Math.exp(exponent(share));
}

/** The values of one axis of a random sweep. */
class RandomAxis extends Axis<unknown> {
  readonly length: number;
  readonly #choose: Choose;
  readonly #seed: readonly [number, number];

  constructor(length: number, choose: Choose, seed: readonly [number, number]) {
    super();
    this.length = length;
    this.#choose = choose;
    this.#seed = seed;
  }

  protected valueAt(index: number): unknown {
    return this.#choose(toShare(this.#seed, index));
  }
}

/** Two numbers of 32 bits that follow from a seed and a name (FNV-1a, with two begins). */
function toSeed(seed: number, name: string): readonly [number, number] {
  let [a, b] = [0x811c9dc5, 0x9747b28c];
  for (const byte of new TextEncoder().encode(`${seed} ${name}`)) {
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul(b ^ byte ^ a >>> 15, 0x01000193);
  }
  return [a >>> 0, b >>> 0];
}

/** How often the generator is run before its numbers count: then a bit of its begin shows everywhere. */
const ROUNDS = 15;

/** A number from 0 to 1 with 53 random bits, which follows from a seed and an index. */
function toShare([first, second]: readonly [number, number], index: number): number {
  let [a, b, c] = [first, second, index | 0];
  let counter = Math.floor(index / 2 ** 32) + 1;
  const next = () => {
    const sum = (a + b | 0) + counter | 0;
    counter = counter + 1 | 0;
    a = b ^ b >>> 9;
    b = c + (c << 3) | 0;
    c = (c << 21 | c >>> 11) + sum | 0;
    return sum >>> 0;
  };
  for (let round = 0; round < ROUNDS; round++) next();
  return ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
}
