/**
 * The points of the sweep. They stand apart from the tasks, whose module counts in the key of each
 * call: a point more or less changes no other.
 *
 * @module
 */
import type { Statistic } from "./statistics.ts";
import type { IntervalPoint, RegressionPoint } from "./tasks.ts";

/** Where bands of distances begin and end, in miles. */
export const BAND_EDGES: readonly number[] = [
  ...[0, 200, 300, 400, 500, 650],
  ...[800, 1000, 1500, 2000, 5000],
];

/** What is said of each band. */
export const STATISTICS: readonly Statistic[] = ["mean", "median", "p90", "late"];

/** Bandwidths along the time of day, in minutes; with the last one the time hardly matters. */
export const BANDWIDTHS_MINUTES: readonly number[] = [5, 10, 20, 40, 80, 160, 320, 1440];

/** Bandwidths along the distance, in miles; with the last one the distance hardly matters. */
export const BANDWIDTHS_MILES: readonly number[] = [15, 50, 200, 5000];

/** Every band with every statistic: 40 points. */
export const INTERVAL_POINTS: readonly IntervalPoint[] = BAND_EDGES.slice(1).flatMap(
  (toMiles, band) =>
    STATISTICS.map((statistic) => ({
      fromMiles: BAND_EDGES[band] ?? NaN,
      toMiles,
      statistic,
      replicates: 1000,
      seed: 1,
    })),
);

/** Every pair of bandwidths: 32 points. */
export const REGRESSION_POINTS: readonly RegressionPoint[] = BANDWIDTHS_MILES.flatMap((miles) =>
  BANDWIDTHS_MINUTES.map((minutes) => ({ minutes, miles, folds: 5, seed: 1 }))
);
