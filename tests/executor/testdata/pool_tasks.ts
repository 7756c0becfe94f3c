// Tasks that the tests of wrapped pools run in the workers of other libraries.
import process from "node:process";
import { task } from "@quiver/quiver";

export const square = task(import.meta, function square(x: number): number {
  return x * x;
});

export const sumOfSquares = task(
  import.meta,
  async function sumOfSquares(a: number, b: number): Promise<number> {
    return await square(a) + await square(b);
  },
);

/** Data that JSON does not carry. */
export const reverse = task(
  import.meta,
  function reverse(values: Float64Array, _nothing?: undefined): Map<string, Float64Array> {
    return new Map([["reversed", values.toReversed()]]);
  },
);

export class PoolError extends Error {
  override name = "PoolError";
  constructor(readonly code: number) {
    super("of the task", { cause: new RangeError("the cause") });
  }
}

export const fail = task(import.meta, function fail(how: "type" | "own" | "result"): unknown {
  if (how === "type") throw new TypeError("of the wrong type");
  if (how === "own") throw new PoolError(42);
  return { deep: [() => 1] };
});

/** Never ends when it runs for the first time; counts its runs in memory that is shared. */
export const hangOnce = task(import.meta, async function hangOnce(runs: Int32Array) {
  const before = Atomics.add(runs, 0, 1);
  Atomics.notify(runs, 0);
  if (before === 0) await new Promise(() => {});
  return before + 1;
}, { ignore: ["runs"] });

export const die = task(import.meta, function die(): void {
  process.exit(3);
});
