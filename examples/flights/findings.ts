/**
 * What the sweep found, each result beside its point.
 *
 * @module
 */
import type { Interval, Statistic } from "./statistics.ts";
import type { Validation } from "./regression.ts";
import type { IntervalPoint, RegressionPoint } from "./tasks.ts";

/** A point with its result. */
export interface Finding<P, R> {
  /** What was asked. */
  readonly point: P;
  /** What came out. */
  readonly result: R;
}

/** All results of the sweep. */
export interface Findings {
  /** Delay by band of distances. */
  readonly intervals: readonly Finding<IntervalPoint, Interval>[];
  /** Error by pair of bandwidths. */
  readonly validations: readonly Finding<RegressionPoint, Validation>[];
}

/**
 * Puts results beside their points.
 *
 * @param points The points.
 * @param results Their results, in the same order.
 * @returns The pairs.
 */
export function toFindings<P, R>(points: readonly P[], results: readonly R[]): Finding<P, R>[] {
  return results.flatMap((result, index) => {
    const point = points[index];
    return point === undefined ? [] : [{ point, result }];
  });
}

/**
 * Picks what was found for one statistic.
 *
 * @param findings The findings.
 * @param statistic The statistic.
 * @returns Its findings, the shortest distances first.
 */
export function selectStatistic(
  findings: Findings,
  statistic: Statistic,
): Finding<IntervalPoint, Interval>[] {
  return findings.intervals.filter(({ point }) => point.statistic === statistic);
}

/**
 * Picks the regression that predicts best, among those that a test lets through.
 *
 * @param findings The findings.
 * @param admits Which points to consider.
 * @returns The finding with the least error.
 * @throws {RangeError} If no point passes the test.
 */
export function selectBest(
  findings: Findings,
  admits: (point: RegressionPoint) => boolean = () => true,
): Finding<RegressionPoint, Validation> {
  const admitted = findings.validations.filter(({ point }) => admits(point));
  const [best] = admitted.sort((left, right) => left.result.error - right.result.error);
  if (best === undefined) {
    throw new RangeError("Cannot select the best regression: none is admitted");
  }
  return best;
}
