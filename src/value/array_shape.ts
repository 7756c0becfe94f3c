/**
 * The shapes of n-dimensional arrays.
 *
 * A plain object with exactly the keys `data`, a typed array, and `shape`, the lengths of its
 * dimensions in row-major order, is an n-dimensional array. It is stored and digested like any other
 * object, so that the same numbers in two shapes are two values; beyond that its numbers are stored
 * under HDF5 with their shape, for those who look with other tools.
 *
 * @module
 */
import { toObjectType } from "./object_type.ts";
import { shapeSymbol } from "./symbols.ts";

/** HDF5 knows no more dimensions. */
const MAX_RANK = 32;

/** A typed array of any kind. */
export type NumberArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float16Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

/** An n-dimensional array: numbers in row-major order, and the lengths of the dimensions. */
export interface NdArray {
  /** The numbers, the last dimension varying fastest. */
  data: NumberArray;
  /** The length of each dimension. */
  shape: number[];
}

/**
 * Tells whether numbers are the lengths of the dimensions of an array.
 *
 * @param shape What may be the lengths.
 * @param count The number of elements of the array.
 * @returns Whether their product is `count`, and HDF5 knows so many dimensions.
 */
export function isShapeOf(shape: unknown, count: number): shape is readonly number[] {
  if (!Array.isArray(shape) || shape.length > MAX_RANK) return false;
  const lengths: readonly unknown[] = shape;
  let product = 1;
  for (const length of lengths) {
    if (typeof length !== "number" || !Number.isSafeInteger(length) || length < 0) return false;
    product *= length;
  }
  return product === count;
}

/** Whether a plain object is an n-dimensional array. */
function isNdArray(value: object): value is NdArray {
  const keys = Object.keys(value);
  if (keys.length !== 2 || !("data" in value && "shape" in value)) return false;
  return isNumberArray(value.data) && isShapeOf(value.shape, value.data.length);
}

/**
 * Finds the shapes that an object says its arrays have.
 *
 * @param object An object; others than plain ones have none.
 * @returns Its arrays of two dimensions or more, with their shapes.
 */
export function* shapesIn(object: object): Generator<readonly [object, readonly number[]]> {
  if (!isPlain(object)) return;
  if (isNdArray(object) && object.shape.length > 1) yield [object.data, [...object.shape]];
  const hints: unknown = Reflect.get(object, shapeSymbol);
  if (typeof hints !== "object" || hints === null) return;
  for (const [key, shape] of Object.entries(hints)) {
    const array: unknown = Reflect.get(object, key);
    if (!isNumberArray(array)) continue;
    if (isShapeOf(shape, array.length) && shape.length > 1) yield [array, [...shape]];
  }
}

/**
 * Tells whether a value is a typed array.
 *
 * @returns Whether it is; a DataView is none.
 */
export function isNumberArray(value: unknown): value is NumberArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

/** The keys of other objects may be millions: those of a typed array are its indices. */
function isPlain(object: object): boolean {
  const type = toObjectType(object);
  return type === "Object" || type === "NullObject";
}
