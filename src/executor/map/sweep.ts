/** Values that can be gone over again, whose number is known, and each of which can be had by its index. */
export abstract class Axis<V> implements Iterable<V> {
  /** How many values there are. */
  abstract readonly length: number;

  /**
   * Gives a value.
   *
   * @param index Which, from 0 on; a negative one counts from the end.
   * @returns The value, or `undefined` when there is none.
   */
  at(index: number): V | undefined {
    const whole = Math.trunc(index) || 0;
    const own = whole < 0 ? whole + this.length : whole;
    return own >= 0 && own < this.length ? this.valueAt(own) : undefined;
  }

  /**
   * Makes the value of an index that there is.
   *
   * @internal
   */
  protected abstract valueAt(index: number): V;

  /** Goes over the values. */
  *[Symbol.iterator](): Generator<V, void, void> {
    for (let index = 0; index < this.length; index++) yield this.valueAt(index);
  }
}

/** The axes of a sweep, by the names that the fields of its items have. */
export interface Axes {
  /** The values of an axis. */
  readonly [name: string]: Iterable<unknown>;
}

/** An item of a sweep over these axes. */
export type SweepItem<A> = {
  -readonly [N in keyof A]: A[N] extends Iterable<infer V> ? V : never;
};

/** How a sweep makes its items. */
interface SweepPlan {
  readonly length: number;
  readonly axes: ReadonlyMap<string, Axis<unknown>>;
  /** Which value of each axis an item has. */
  readonly indices: (item: number) => Iterable<readonly [name: string, index: number]>;
}

const PLANS = new WeakMap<object, SweepPlan>();

/**
 * Items for `Executor.map`, as a value: an iterable with a length, whose items are made when they are
 * asked for, each time the same. Made by `grid`, `zip` and `random`.
 *
 * @typeParam T An item.
 */
export class Sweep<T extends object> extends Axis<T> {
  readonly #plan: SweepPlan;

  /**
   * Creates a sweep.
   *
   * @param plan How its items are made.
   * @internal
   */
  constructor(plan: SweepPlan) {
    super();
    this.#plan = plan;
    PLANS.set(this, plan);
  }

  /** How many items there are. */
  get length(): number {
    return this.#plan.length;
  }

  /** The values of each axis, by the names of the fields of an item. */
  get axes(): { readonly [N in keyof T & string]: Axis<T[N]> } {
    // The plan is that of the axes that the items are of.
    return Object.fromEntries(this.#plan.axes) as { [N in keyof T & string]: Axis<T[N]> };
  }

  /** As the base class says. */
  protected valueAt(index: number): T {
    const { axes, indices } = this.#plan;
    const fields = Array.from(indices(index), ([name, at]) => [name, axes.get(name)?.at(at)]);
    return Object.fromEntries(fields);
  }

  /**
   * What `console.log` shows: no item is made.
   *
   * @internal
   */
  [Symbol.for("Deno.customInspect")](
    inspect: (value: unknown, options: Deno.InspectOptions) => string,
    options: Deno.InspectOptions,
  ): string {
    const { axes, length } = this.#plan;
    const sizes = Object.fromEntries(Array.from(axes, ([name, axis]) => [name, axis.length]));
    return `Sweep(${length}) ${inspect(sizes, options)}`;
  }
}

/** The items of all parts of a grid together. */
export type GridItem<P extends readonly (Axes | Sweep<object>)[]> = P extends
  readonly [infer F, ...infer R extends readonly (Axes | Sweep<object>)[]]
  ? (F extends Sweep<infer T> ? T : SweepItem<F>) & GridItem<R>
  : unknown;

/** Of several axes together, one object to look at. */
export type Flat<T> = T extends object ? { [N in keyof T]: T[N] } : never;

/**
 * Makes each combination of the values of some axes, the last axis varying fastest. A part may be a sweep
 * itself, each item of which is combined with all else.
 *
 * @typeParam P The parts.
 * @param parts For each axis its name and its values, or sweeps.
 * @returns The items, one object for each combination.
 * @throws {TypeError} When an axis has no values that can be gone over, or there is no axis.
 * @throws {RangeError} When an axis is empty, without end, or there twice.
 *
 * @example Sweep two parameters
 * ```ts
 * import { Executor, task } from "@quiver/quiver";
 * import { grid, range } from "@quiver/quiver/sweeps";
 * import { assertEquals } from "@std/assert";
 *
 * const grow = task(import.meta, ({ rate, seed }: { rate: number; seed: number }) => rate * seed, {
 *   name: "grow",
 * });
 *
 * const sweep = grid({ rate: [0.5, 2], seed: range(3) });
 * assertEquals([sweep.length, sweep.at(-1)], [6, { rate: 2, seed: 2 }]);
 * await using executor = new Executor({ workerType: "inline" });
 * assertEquals(await Array.fromAsync(executor.map(grow, sweep)), [0, 0.5, 1, 0, 2, 4]);
 * ```
 */
export function grid<const P extends readonly (Axes | Sweep<object>)[]>(
  ...parts: P
): Sweep<Flat<GridItem<P>>> {
  const factors = parts.flatMap((part) => toFactors("make a grid", part));
  const axes = new Map<string, Axis<unknown>>();
  let length = 1;
  for (const factor of factors) {
    length *= factor.length;
    for (const [name, axis] of factor.axes) {
      if (axes.has(name)) throw refuse("make a grid", name, "it is there twice");
      axes.set(name, axis);
    }
  }
  if (axes.size === 0) {
    throw new TypeError("Cannot make a grid: there is no axis; pass { name: values }");
  }
  if (!Number.isSafeInteger(length)) {
    throw new RangeError(
      `Cannot make a grid of ${length} items: no more than 2 ** 53 can be counted`,
    );
  }
  const indices = (item: number) => {
    let rest = item;
    const own: (readonly [string, number])[][] = [];
    for (const factor of factors.toReversed()) {
      own.push([...factor.indices(rest % factor.length)]);
      rest = Math.floor(rest / factor.length);
    }
    return own.reverse().flat();
  };
  return new Sweep({ length, axes, indices });
}

/** What a grid combines: its axes one by one, and a sweep as it is. */
function toFactors(action: string, part: unknown): SweepPlan[] {
  const plan = typeof part === "object" && part !== null ? PLANS.get(part) : undefined;
  if (plan !== undefined) return [plan];
  return toAxes(action, part).map(([name, axis]) => ({
    length: axis.length,
    axes: new Map([[name, axis]]),
    indices: (index) => [[name, index]],
  }));
}

/**
 * Takes the values of some axes together: the first of each, the second of each…
 *
 * @typeParam A The axes.
 * @param axes For each axis its name and its values; all have as many.
 * @returns The items, one object for each value.
 * @throws {TypeError} When an axis has no values that can be gone over, or there is no axis.
 * @throws {RangeError} When an axis is empty or without end, or they have different numbers of values.
 *
 * @example Pairs of parameters, each with several seeds
 * ```ts
 * import { grid, range, zip } from "@quiver/quiver/sweeps";
 * import { assertEquals } from "@std/assert";
 *
 * const sizes = zip({ width: [1, 2], height: [10, 20] });
 * assertEquals([...sizes], [{ width: 1, height: 10 }, { width: 2, height: 20 }]);
 * assertEquals(grid(sizes, { seed: range(3) }).at(4), { width: 2, height: 20, seed: 1 });
 * ```
 */
export function zip<const A extends Axes>(axes: A): Sweep<SweepItem<A>> {
  const all = toAxes("zip axes", axes);
  const [first] = all;
  if (first === undefined) {
    throw new TypeError("Cannot zip axes: there is no axis; pass { name: values }");
  }
  const length = first[1].length;
  const other = all.find(([, axis]) => axis.length !== length);
  if (other !== undefined) {
    throw new RangeError(
      `Cannot zip axes: "${first[0]}" has ${count(length)}, and "${other[0]}" ${
        count(other[1].length)
      }`,
    );
  }
  return new Sweep({
    length,
    axes: new Map(all),
    indices: (index) => all.map(([name]) => [name, index]),
  });
}

function count(length: number): string {
  return length === 1 ? "1 value" : `${length} values`;
}

/** The values of an axis that are held. */
class ListedAxis extends Axis<unknown> {
  readonly #values: readonly unknown[];

  constructor(values: readonly unknown[]) {
    super();
    this.#values = values;
  }

  get length(): number {
    return this.#values.length;
  }

  protected valueAt(index: number): unknown {
    return this.#values[index];
  }
}

/** What has more values than this, and does not say how many, is taken for endless. */
const MOST_VALUES = 1_000_000;

/**
 * Reads the values of axes.
 *
 * @param action What cannot be done with wrong ones.
 */
export function toAxes(action: string, axes: unknown): [name: string, axis: Axis<unknown>][] {
  if (typeof axes !== "object" || axes === null || Symbol.iterator in axes) {
    throw new TypeError(`Cannot ${action}: the axes are an object, as in { name: values }`);
  }
  return Object.entries(axes).map(([name, values]) => [name, toAxis(action, name, values)]);
}

/**
 * Reads the values of an axis.
 *
 * @param action What cannot be done with a wrong one.
 * @throws {TypeError} When they cannot be gone over.
 * @throws {RangeError} When there are none, or no end of them.
 */
export function toAxis(action: string, name: string, values: unknown): Axis<unknown> {
  const axis = values instanceof Axis ? values : new ListedAxis(readValues(action, name, values));
  if (axis.length === 0) {
    throw refuse(action, name, "it is empty, and so there would be no item; leave it out");
  }
  return axis;
}

function readValues(action: string, name: string, values: unknown): readonly unknown[] {
  if (typeof values === "string") {
    const state = `it is the text ${JSON.stringify(values)}; put it into an array`;
    throw refuse(action, name, state, TypeError);
  }
  const object: object = Object(values);
  if (!(Symbol.iterator in object)) {
    const state = Symbol.asyncIterator in object
      ? "its values come later; await Array.fromAsync(values) first"
      : `${show(values)} is not iterable; put it into an array`;
    throw refuse(action, name, state, TypeError);
  }
  // What was just seen to be iterable.
  const iterable = object as Iterable<unknown>;
  if (Array.isArray(iterable) || ArrayBuffer.isView(iterable)) return Array.from(iterable);
  const found: unknown[] = [];
  for (const value of iterable) {
    if (found.push(value) <= MOST_VALUES) continue;
    throw refuse(
      action,
      name,
      `it has more than ${MOST_VALUES} values, and perhaps no end; take some into an array, as by ` +
        "Iterator.from(values).take(count).toArray()",
    );
  }
  return found;
}

function show(value: unknown): string {
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

function refuse(
  action: string,
  name: string,
  state: string,
  Refusal: typeof RangeError | typeof TypeError = RangeError,
): Error {
  return new Refusal(`Cannot ${action} with the axis "${name}": ${state}`);
}
