import { isNumberArray, type NdArray, type NumberArray } from "../array_shape.ts";
import { MissingPartError } from "../codec/decode_value.ts";
import { fromBytes, isArrayKind, toElementBytes } from "../object_type.ts";
import { type StoredPayload, toKindName } from "../value.ts";

/** A piece of one dimension: from the first index up to the second, which is left out. */
export type SliceRange = readonly [start: number, end: number];

/**
 * Reads a part of an array, and no more of its bytes than the blocks that hold it.
 *
 * @param shape The lengths of its dimensions, in row-major order.
 * @param ranges For each dimension which part of it; dimensions without a range are taken whole.
 * @returns A typed array; of an array with two dimensions or more `{ data, shape }`.
 * @throws {RangeError} If a range is outside of its dimension, or there are too many.
 * @throws {MissingPartError} If the bytes are missing or damaged.
 */
export function sliceArray(
  payload: StoredPayload,
  shape: readonly number[],
  ranges: readonly SliceRange[],
): NumberArray | NdArray {
  const name = toKindName(payload.kind);
  const size = name === undefined ? undefined : toElementBytes(name);
  if (name === undefined || size === undefined || !isArrayKind(name)) {
    throw new TypeError("Cannot slice a value: it is no array of numbers");
  }
  const taken = checkRanges(shape, ranges);
  const lengths = taken.map(([start, end]) => end - start);
  const bytes = new Uint8Array(lengths.reduce((product, length) => product * length, size));
  const runs = toRuns(shape, lengths);
  const runBytes = runs.length * size;
  for (let at = 0; at < bytes.length; at += runBytes) {
    const element = toElement(shape, taken, lengths, runs.outer, at / runBytes);
    if (!payload.read(element * size, bytes.subarray(at, at + runBytes))) {
      throw new MissingPartError(payload.digest);
    }
  }
  const data = fromBytes(name, bytes);
  if (!isNumberArray(data)) throw new TypeError("Cannot slice a value: it is no array of numbers");
  return shape.length === 1 ? data : { data, shape: lengths };
}

function checkRanges(shape: readonly number[], ranges: readonly SliceRange[]): SliceRange[] {
  if (ranges.length > shape.length) {
    throw new RangeError(
      `Cannot slice an array of ${shape.length} dimensions: there are ${ranges.length} ranges`,
    );
  }
  return shape.map((length, i) => {
    const [start, end] = ranges[i] ?? [0, length];
    const whole = Number.isInteger(start) && Number.isInteger(end);
    if (whole && start >= 0 && start <= end && end <= length) return [start, end];
    throw new RangeError(
      `Cannot slice an array: the range [${start}, ${end}] of dimension ${i} is not within ` +
        `[0, ${length}]`,
    );
  });
}

/**
 * Finds out how many elements lie one behind the other in each run, and how many dimensions lead to
 * the runs: one goes through all the last dimensions that are taken whole, and the one before them.
 */
function toRuns(shape: readonly number[], lengths: readonly number[]) {
  let outer = shape.length - 1;
  let length = lengths[outer] ?? 1;
  while (outer > 0 && lengths[outer] === shape[outer]) {
    outer--;
    length *= lengths[outer] ?? 1;
  }
  return { length, outer: Math.max(outer, 0) };
}

/** Which element of the whole array a run begins with. */
function toElement(
  shape: readonly number[],
  taken: readonly SliceRange[],
  lengths: readonly number[],
  outer: number,
  run: number,
): number {
  let element = 0;
  let stride = 1;
  let rest = run;
  for (let i = shape.length - 1; i >= 0; i--) {
    let index = taken[i]?.[0] ?? 0;
    if (i < outer) {
      const length = lengths[i] ?? 1;
      index += rest % length;
      rest = Math.floor(rest / length);
    }
    element += index * stride;
    stride *= shape[i] ?? 1;
  }
  return element;
}
