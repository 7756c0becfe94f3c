import type { Digest } from "./value.ts";

const DIGEST_REGEXP = /^[0-9a-f]{64}$/;

/**
 * Stands for a value of which only the digest is known.
 *
 * Its own digest is that digest, and a value that holds it in the place of a large array has the
 * digest that it has with the array itself.
 */
export class DigestReference {
  /** The digest of the value. */
  readonly digest: Digest;

  /**
   * Creates the reference.
   *
   * @param digest The digest of the value, in full.
   * @throws {SyntaxError} If that is no digest.
   */
  constructor(digest: Digest) {
    if (!DIGEST_REGEXP.test(digest)) {
      throw new SyntaxError(`Cannot refer to "${digest}": it is not a digest in full`);
    }
    this.digest = digest;
  }
}

/**
 * Names the method by which the instances of a class say what their digest is made of.
 *
 * An object with this method is digested as its class name and what the method returns, whatever
 * else the object is. It can be part of a key, but it cannot be stored. What the method returns must
 * tell the object from others: `undefined`, the object itself and what contains it are refused.
 *
 * @example Make the instances of a class fit for keys
 * ```ts
 * import { digestSymbol } from "@quiver/quiver/caches";
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
interface Digestible {
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

/**
 * Tells whether `Comlink.proxy()` has marked a function: a task on a worker gets another function in
 * its place, which calls this one here.
 *
 * @returns Whether it is a callback.
 */
export function isCallback(value: object): value is (...args: unknown[]) => unknown {
  if (typeof value !== "function") return false;
  // Each copy of Comlink has a symbol of its own: the ones for `import` and `require` are two.
  return Object.getOwnPropertySymbols(value).some((symbol) =>
    symbol.description === "Comlink.proxy" && Reflect.get(value, symbol) === true
  );
}

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
 * import { shapeSymbol } from "@quiver/quiver/caches";
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

/**
 * Names the method of what stands, among the arguments of a call, for a value that is had when the call
 * is made: its result takes the place of the object before the key is made.
 */
export const deferredSymbol: unique symbol = Symbol.for("quiver.deferred");

/** What stands for a value. */
export interface DeferredValue {
  /** Gives the value. */
  [deferredSymbol](): Promise<unknown>;
}

/**
 * Tells whether an object stands for a value that is had when a call is made.
 *
 * @returns Whether it has the method.
 */
export function isDeferred(value: object): value is DeferredValue {
  return deferredSymbol in value && typeof value[deferredSymbol] === "function";
}

/** Names the method that Deno asks for what `console.log` is to show of an object. */
export const inspectSymbol: unique symbol = Symbol.for("Deno.customInspect");

/** Writes a value as `console.log` does; given to that method, with the options to pass on. */
export type Inspect = (value: unknown, options?: Deno.InspectOptions) => string;
