import type { SegmentEntry } from "./manifest.ts";

/** Segments of less than this are always worth merging. */
const SMALL_BYTES = 64 * 1024;

/** A merge never makes a segment of more than this, so that it does not take long. */
const LARGEST_BYTES = 64 * 1024 * 1024;

/** Nor one of more values: each takes a few hundred bytes of memory while it is sealed. */
export const MOST_VALUES = 2 ** 18;

/** What a value costs beside its payload. */
const VALUE_BYTES = 128;

/**
 * Tells which segments a new one takes in, so that a bag of many small folds has few segments: the
 * newest ones, as long as each is no larger than all that is newer. A value is then written again
 * only as often as the bag doubles.
 *
 * @param segments The live segments, oldest first.
 * @param bytes The payload of the new segment in bytes.
 * @param values How many values it has.
 * @returns How many segments to keep; those behind them are taken in.
 */
export function countKept(
  segments: readonly SegmentEntry[],
  bytes: number,
  values: number,
): number {
  let weight = toWeight(bytes, values);
  let count = values;
  let kept = segments.length;
  for (const { bytes, values } of segments.toReversed()) {
    const other = toWeight(bytes, values);
    if (other > Math.max(weight, SMALL_BYTES) || weight + other > LARGEST_BYTES) break;
    if (count + values > MOST_VALUES) break;
    weight += other;
    count += values;
    kept--;
  }
  return kept;
}

function toWeight(bytes: number, values: number): number {
  return bytes + values * VALUE_BYTES;
}
