/**
 * Bootstrap intervals of what is said of a set of delays.
 *
 * @module
 */

/** What is said of a set of delays: `late` is the share of those above 15 minutes. */
export type Statistic = "mean" | "median" | "p90" | "late";

/** A statistic and how sure it is. */
export interface Interval {
  /** How many delays it was computed from. */
  readonly count: number;
  /** The statistic of the delays themselves. */
  readonly estimate: number;
  /** Where the 95 % interval begins. */
  readonly low: number;
  /** Where the 95 % interval ends. */
  readonly high: number;
  /** The statistic of each resample, sorted. */
  readonly replicates: Float64Array;
}

/** Options of {@linkcode bootstrapInterval}. */
export interface BootstrapOptions {
  /** How often the delays are drawn anew. */
  readonly replicates: number;
  /** Where the stream of random numbers starts. */
  readonly seed: number;
}

/** How often each delay occurs; `counts[0]` belongs to `lowest`. */
interface Histogram {
  readonly lowest: number;
  readonly counts: Int32Array;
  readonly total: number;
}

const LATE_MINUTES = 15;

const STATISTICS: Readonly<Record<Statistic, (histogram: Histogram) => number>> = {
  mean: ({ lowest, counts, total }) =>
    lowest + counts.reduce((sum, count, bin) => sum + count * bin, 0) / total,
  median: (histogram) => computeQuantile(histogram, 0.5),
  p90: (histogram) => computeQuantile(histogram, 0.9),
  late: ({ lowest, counts, total }) =>
    counts.reduce((sum, n, bin) => lowest + bin > LATE_MINUTES ? sum + n : sum, 0) / total,
};

/**
 * Makes a stream of pseudo-random numbers (mulberry32,
 * https://github.com/bryc/code/blob/master/jshash/PRNGs.md).
 *
 * @param seed Where the stream starts; the same seed gives the same stream.
 * @returns A function that gives the next number, at least 0 and below 1.
 */
export function createRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 0x100000000;
  };
}

/**
 * Computes a statistic with its 95 % percentile bootstrap interval (Efron 1979).
 *
 * @param delays The delays, in whole minutes.
 * @param statistic What to say of them.
 * @param options How often to draw anew, and the seed.
 * @returns The statistic, its interval and all replicates.
 */
export function bootstrapInterval(
  delays: Int16Array,
  statistic: Statistic,
  options: BootstrapOptions,
): Interval {
  const compute = STATISTICS[statistic];
  const lowest = delays.reduce((least, delay) => Math.min(least, delay), Infinity);
  const bins = delays.reduce((most, delay) => Math.max(most, delay), -Infinity) - lowest + 1;
  const histogram: Histogram = { lowest, counts: new Int32Array(bins), total: delays.length };
  for (const delay of delays) countDelay(histogram, delay);
  const estimate = compute(histogram);
  const random = createRandom(options.seed);
  const replicates = new Float64Array(options.replicates);
  for (let replicate = 0; replicate < replicates.length; replicate++) {
    histogram.counts.fill(0);
    for (let draw = 0; draw < delays.length; draw++) {
      countDelay(histogram, delays[Math.floor(random() * delays.length)] ?? NaN);
    }
    replicates[replicate] = compute(histogram);
  }
  replicates.sort();
  const [low, high] = [0.025, 0.975].map((share) =>
    replicates[Math.round(share * (replicates.length - 1))] ?? NaN
  );
  return { count: delays.length, estimate, low: low ?? NaN, high: high ?? NaN, replicates };
}

function countDelay({ lowest, counts }: Histogram, delay: number): void {
  counts[delay - lowest] = (counts[delay - lowest] ?? 0) + 1;
}

/** Spreads the delays of a whole minute evenly over it, so that a quantile is not a staircase. */
function computeQuantile({ lowest, counts, total }: Histogram, share: number): number {
  let rest = share * total;
  for (const [bin, count] of counts.entries()) {
    if (rest <= count) return lowest + bin - 0.5 + rest / count;
    rest -= count;
  }
  return NaN;
}
