import type { TimeQuantiles } from "./call_statistics.ts";

/** Bounds of neighbouring buckets differ by the eighth root of 2, 9 %. */
const BUCKETS_PER_OCTAVE = 8;
/** From 1 microsecond to 12 days. */
const OCTAVES = 40;
const MICROSECONDS = 1000;

/**
 * Counts times in buckets whose widths grow with the times, so that quantiles are known to 5 %, at the
 * same cost and in the same memory however many there are.
 */
export class LogHistogram {
  readonly #buckets = new Float64Array(BUCKETS_PER_OCTAVE * OCTAVES);
  #count = 0;

  /**
   * Counts a time.
   *
   * @param time The time in milliseconds.
   */
  add(time: number): void {
    const octave = Math.log2(Math.max(time * MICROSECONDS, 1));
    const bucket = Math.min(Math.round(octave * BUCKETS_PER_OCTAVE), this.#buckets.length - 1);
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.#count++;
  }

  /** The quantiles of the times; `undefined` when there are none. */
  get quantiles(): TimeQuantiles | undefined {
    if (this.#count === 0) return undefined;
    return { p50: this.#quantile(0.5), p90: this.#quantile(0.9), p99: this.#quantile(0.99) };
  }

  #quantile(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.#count));
    let seen = 0;
    const bucket = this.#buckets.findIndex((count) => (seen += count) >= rank);
    return 2 ** (bucket / BUCKETS_PER_OCTAVE) / MICROSECONDS;
  }
}
