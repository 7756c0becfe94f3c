/**
 * The calls of the demo: what runs on workers and is kept in the bag.
 *
 * @module
 */
import { task } from "@quiver/quiver";
import { type Flights, readFlights, selectDelays } from "./flights.ts";
import { type Bandwidths, crossValidate, type CrossValidateOptions } from "./regression.ts";
import type { Validation } from "./regression.ts";
import {
  bootstrapInterval,
  type BootstrapOptions,
  type Interval,
  type Statistic,
} from "./statistics.ts";

/** One statistic of the flights of one band of distances. */
export interface IntervalPoint extends BootstrapOptions {
  /** The shortest distance, in miles. */
  readonly fromMiles: number;
  /** The distance below which flights count, in miles. */
  readonly toMiles: number;
  /** What to say of their delays. */
  readonly statistic: Statistic;
}

/** One point in the grid of hyper-parameters. */
export interface RegressionPoint extends Bandwidths, CrossValidateOptions {}

/**
 * Loads the flights. One worker parses the file, 10 MB of JSON, and the others find the arrays in
 * the bag, 1.2 MB; once all points are known nobody asks.
 */
export const loadFlights = task(
  import.meta,
  function loadFlights(): Promise<Flights> {
    return readFlights();
  },
  { version: 1 },
);

/** Estimates how late the flights of a band of distances are. */
export const estimateDelay = task(
  import.meta,
  async function estimateDelay(point: IntervalPoint): Promise<Interval> {
    const delays = selectDelays(await loadFlights(), point.fromMiles, point.toMiles);
    return bootstrapInterval(delays, point.statistic, point);
  },
  { version: 1 },
);

/** Measures how well a kernel regression predicts the delays of flights it has not seen. */
export const validateRegression = task(
  import.meta,
  async function validateRegression(point: RegressionPoint): Promise<Validation> {
    return crossValidate(await loadFlights(), point, point);
  },
  { version: 1 },
);
