/** As many values tell enough of the others. */
const SAMPLE = 8;
/** What a number takes, and the little that is said of a value in any case. */
const SMALL = 8;
/** Large things lie in arrays and fields, seldom further down. */
const DEPTH = 2;

/**
 * Estimates how many bytes a value takes on its way to a worker, from a few of many: buffers and texts
 * count, and those in arrays and plain fields.
 *
 * @param values The values.
 * @returns The mean in bytes; 0 when there are none.
 */
export function weighValues(values: readonly unknown[]): number {
  const step = Math.max(1, Math.floor(values.length / SAMPLE));
  let sum = 0;
  let count = 0;
  for (let index = 0; index < values.length; index += step) {
    sum += weigh(values[index], DEPTH);
    count++;
  }
  return count === 0 ? 0 : sum / count;
}

function weigh(value: unknown, depth: number): number {
  if (typeof value === "string") return SMALL + value.length;
  if (typeof value !== "object" || value === null) return SMALL;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return SMALL + value.byteLength;
  if (depth === 0) return SMALL;
  if (Array.isArray(value)) return SMALL + value.length * weigh(value[0], depth - 1);
  let sum = SMALL;
  // What a getter does, or a class hides, is not for an estimate.
  for (const { value: field } of Object.values(Object.getOwnPropertyDescriptors(value))) {
    sum += weigh(field, depth - 1);
  }
  return sum;
}
