/**
 * The one place that knows of `AsyncLocalStorage`.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";

/** A value that holds for the code that a function runs, across its awaits. */
export interface Ambient<T> {
  /** The value that holds here, or `undefined`. */
  get(): T | undefined;
  /**
   * Runs a function with a value.
   *
   * @typeParam R What the function returns.
   * @param value The value.
   * @param fn The function.
   * @returns What the function returns.
   */
  run<R>(value: T, fn: () => R): R;
}

/**
 * Creates an ambient value. It is only ever entered by `run`: `enterWith` leaks into the caller.
 *
 * @typeParam T The value's type.
 * @returns The ambient value.
 */
export function createAmbient<T>(): Ambient<T> {
  const storage = new AsyncLocalStorage<T>();
  return { get: () => storage.getStore(), run: (value, fn) => storage.run(value, fn) };
}

const runOutside = AsyncLocalStorage.snapshot();

/**
 * Runs a function where no ambient value holds. Dynamic imports need it: in Deno 2.9.6 the value
 * around an `import()` stays behind, and holds for whatever the runtime calls next by itself.
 *
 * @typeParam R What the function returns.
 * @param fn The function.
 * @returns What the function returns.
 */
export function outside<R>(fn: () => R): R {
  return runOutside(fn);
}
