/**
 * What is in a segment, an HDF5 file that any HDF5 tool reads, as `FORMAT.md` specifies it
 * ("Segments").
 *
 * @module
 */
import { isShapeOf } from "../../value/array_shape.ts";
import { SPLIT_BYTES, toKindName, type ValueKindName } from "../../value/value.ts";
import type { DatasetShape } from "../hdf5/access.ts";

/** The name of the one attribute. */
export const ATTRIBUTE = "quiver";

/** The version of the segments' format. */
export const SEGMENT_VERSION = 1;

/** The columns of `/packed_table`. */
export const PACKED_COLUMNS = [
  ["digest", "A64"],
  ["offset", "<Q"],
  ["length", "<Q"],
  ["kind", "<I"],
  ["crc32", "<I"],
] as const;

/** The size of a row of `/packed_table` in bytes. */
export const PACKED_ROW_BYTES = 88;

/** The HDF5 type and the size of an element of each kind that becomes a dataset. */
const ELEMENTS: Partial<Record<ValueKindName, readonly [type: string, bytes: number]>> = {
  Int8Array: ["<b", 1],
  Uint8Array: ["<B", 1],
  Uint8ClampedArray: ["<B", 1],
  Int16Array: ["<h", 2],
  Uint16Array: ["<H", 2],
  Int32Array: ["<i", 4],
  Uint32Array: ["<I", 4],
  Float16Array: ["<H", 2],
  Float32Array: ["<f", 4],
  Float64Array: ["<d", 8],
  BigInt64Array: ["<q", 8],
  BigUint64Array: ["<Q", 8],
  ArrayBuffer: ["<B", 1],
  SharedArrayBuffer: ["<B", 1],
  DataView: ["<B", 1],
};

/**
 * Tells what dataset an array becomes that is not split out.
 *
 * @param kind The name of the kind of array.
 * @param length The length of the array in bytes.
 * @param dimensions The lengths of its dimensions; one dimension if not given.
 * @returns The dataset's shape, or `undefined` when the kind is no array.
 */
export function toArrayShape(
  kind: string,
  length: number,
  dimensions?: readonly number[],
): Required<DatasetShape> | undefined {
  const element = Object.entries(ELEMENTS).find(([name]) => name === kind)?.[1];
  if (element === undefined) return undefined;
  const count = length / element[1];
  return { type: element[0], count, length, dimensions: dimensions ?? [count] };
}

/**
 * Tells what dataset a payload becomes.
 *
 * @param kind How to read the payload.
 * @param length The length of the payload in bytes.
 * @param dimensions The lengths of its dimensions; one dimension if they are not given, or not those
 * of so many elements.
 * @returns The dataset's shape, or `undefined` when the payload is packed.
 */
export function toDatasetShape(
  kind: number,
  length: number,
  dimensions?: readonly number[],
): Required<DatasetShape> | undefined {
  const name = toKindName(kind);
  const element = name && ELEMENTS[name];
  if (element === undefined || length < SPLIT_BYTES || length % element[1] !== 0) return undefined;
  const count = length / element[1];
  const fits = dimensions !== undefined && isShapeOf(dimensions, count);
  return { type: element[0], count, length, dimensions: fits ? dimensions : [count] };
}
