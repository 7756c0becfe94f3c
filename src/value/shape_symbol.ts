/**
 * Names the property by which a plain object says which shapes its arrays have, when it is not
 * simply `{ data, shape }`.
 *
 * It is an object with a shape for each key that holds an array. With it the array is stored under
 * HDF5 with that many dimensions. It is no part of the value: digests do not change by it, and what
 * is read back does not have it.
 *
 * @example Store an image with its two dimensions
 * ```ts
 * import { shapeSymbol } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * function createImage(width: number, height: number) {
 *   const pixels = new Uint8Array(width * height);
 *   return { width, height, pixels, [shapeSymbol]: { pixels: [height, width] } };
 * }
 *
 * assertEquals(createImage(64, 48)[shapeSymbol], { pixels: [48, 64] });
 * ```
 */
export const shapeSymbol: unique symbol = Symbol.for("quiver.shape");
