/**
 * The one place that knows of `AsyncLocalStorage`, and of what runs Quiver: it is the first module
 * that is run with any entry.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";

/** The oldest Deno that has all of what Quiver needs. */
const OLDEST_DENO = "2.9.6";

/** The runtimes that may come across this, and where their version stands. Bun says it is Node, too. */
const RUNTIMES = [
  ["Deno", "Deno", "version", "deno"],
  ["Bun", "process", "versions", "bun"],
  ["Node.js", "process", "versions", "node"],
] as const;

refuseOtherRuntimes(globalThis);

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

/**
 * Refuses whatever is no Deno, or too old a one, before something fails that says less.
 *
 * @param globals The global scope.
 * @throws {Error} That names what this is, and what it should be.
 */
export function refuseOtherRuntimes(globals: object): void {
  const [name, version] = readRuntime(globals);
  if (name === "Deno" && !isOlder(version, OLDEST_DENO)) return;
  const remedy = name === "Deno" ? "run `deno upgrade`" : "see https://deno.com";
  throw new Error(
    `Cannot import Quiver: this is ${name} ${version}, and it needs Deno ${OLDEST_DENO} or later; ` +
      remedy,
  );
}

/** The name and version of what runs this. */
function readRuntime(globals: object): readonly [name: string, version: string] {
  for (const [name, ...path] of RUNTIMES) {
    let value: unknown = globals;
    for (const key of path) {
      value = typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
    }
    if (typeof value === "string") return [name, value];
  }
  return ["a runtime", "without a name"];
}

/** Compares versions by their numbers; what follows them, as in `3.0.0-rc.1`, does not count. */
function isOlder(version: string, oldest: string): boolean {
  const numbers = version.split(".").map((part) => Number.parseInt(part, 10));
  for (const [index, needed] of oldest.split(".").map(Number).entries()) {
    const found = numbers[index] ?? 0;
    if (found !== needed) return found < needed;
  }
  return false;
}
