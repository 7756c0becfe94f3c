/**
 * Sweeps as values: the items for `Executor.map`, as grids, pairs and random choices of parameters.
 *
 * ```ts
 * import { Executor, task } from "@quiver/quiver";
 * import { grid, range } from "@quiver/quiver/sweeps";
 * import { assertEquals } from "@std/assert";
 *
 * const power = task(import.meta, (base: number, exponent: number) => base ** exponent, {
 *   name: "power",
 * });
 *
 * await using executor = new Executor({ workerType: "inline" });
 * const sweep = grid({ base: [2, 10], exponent: range(3) });
 * const powers = executor.map(power, sweep, { spread: true });
 * assertEquals(await Array.fromAsync(powers), [1, 2, 4, 1, 10, 100]);
 * ```
 *
 * @module
 */
export {
  random,
  type RandomAxes,
  type RandomItem,
  type RandomNumbers,
  type RandomOptions,
  range,
} from "./executor/map/axes.ts";
export {
  type Axes,
  type Axis,
  type Flat,
  grid,
  type GridItem,
  type Sweep,
  type SweepItem,
  zip,
} from "./executor/map/sweep.ts";
