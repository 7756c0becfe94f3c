/**
 * Names the method by which the instances of a class say what their digest is made of.
 *
 * An object with this method is digested as its class name and what the method returns, whatever
 * else the object is. It can be part of a key, but it cannot be stored.
 *
 * @example Make the instances of a class fit for keys
 * ```ts
 * import { digestSymbol } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * class Grid {
 *   constructor(readonly size: number, readonly onProgress: () => void) {}
 *   [digestSymbol]() {
 *     return this.size;
 *   }
 * }
 *
 * assertEquals(new Grid(3, () => {})[digestSymbol](), 3);
 * ```
 */
export const digestSymbol: unique symbol = Symbol.for("quiver.digest");

/** An object that says what its digest is made of. */
export interface Digestible {
  /** Gives what stands for the object in digests: any value that has a digest. */
  [digestSymbol](): unknown;
}

/**
 * Tells whether an object says what its digest is made of.
 *
 * @param value An object or a function.
 * @returns Whether it has the method.
 */
export function isDigestible(value: object): value is Digestible {
  return digestSymbol in value && typeof value[digestSymbol] === "function";
}
