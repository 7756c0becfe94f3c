/**
 * The one place that knows of `AsyncLocalStorage`.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";

/** A value that holds for the code that a function runs, across its awaits. */
export interface Ambient<T> {
  /** The value that holds here: of the innermost `run`, else the default, if there is one. */
  get(): T | undefined;
  /**
   * Sets the value that holds outside of every `run`.
   *
   * @param value The value.
   */
  setDefault(value: T): void;
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
  let fallback: T | undefined;
  return {
    get: () => storage.getStore() ?? fallback,
    setDefault: (value) => void (fallback = value),
    run: (value, fn) => storage.run(value, fn),
  };
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
