/**
 * The one place that knows of `AsyncLocalStorage`, of what runs Quiver, and of other copies of Quiver
 * in the program: a library may bring its own, from another URL. It is the first module that is run
 * with any entry.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { OUTSIDE } from "./lazy_import.ts";
import { writeWarning } from "./warning.ts";

/** The oldest Deno that has all of what Quiver needs. */
const OLDEST_DENO = "2.9.6";

/** The runtimes that may come across this, and where their version stands. Bun says it is Node, too. */
const RUNTIMES = [
  ["Deno", "Deno", "version", "deno"],
  ["Bun", "process", "versions", "bun"],
  ["Node.js", "process", "versions", "node"],
] as const;

refuseOtherRuntimes(globalThis);

/**
 * Copies with the same number share tasks, scopes and caches. Raise it with each change of what one
 * copy does with the objects of another: `Scope`, `TaskDefinition`, `Cache`, `Future` and what hangs
 * on them.
 */
const PROTOCOL = 3;

/** A copy of Quiver in this isolate. */
interface Copy {
  /** Where it was loaded from. */
  readonly url: string;
  /** What it has in common with others. */
  readonly protocol: number;
  /** What copies of one protocol share, by name; made by the first. */
  readonly shared: Map<string, unknown>;
}

const COPIES = Symbol.for("quiver.copies");
/** Under which the worker that this isolate is hangs on the global object (`current_worker.ts`). */
const WORKER = Symbol.for("quiver.worker");

const SHARED = join(new URL("../../mod.ts", import.meta.url).href);

function copies(): Copy[] {
  // Only copies of Quiver write under this symbol, and this shape is the same for all protocols.
  const known = Reflect.get(globalThis, COPIES) as Copy[] | undefined;
  if (known !== undefined) return known;
  const none: Copy[] = [];
  Object.defineProperty(globalThis, COPIES, { value: none });
  return none;
}

/** The URLs of the entries of all copies of Quiver in this isolate. */
export function copyUrls(): readonly string[] {
  return copies().map(({ url }) => url);
}

function join(url: string): Map<string, unknown> {
  const known = copies();
  const shared = known.find(({ protocol }) => protocol === PROTOCOL)?.shared ??
    new Map<string, unknown>();
  known.push({ url, protocol: PROTOCOL, shared });
  const stranger = known.find(({ protocol }) => protocol !== PROTOCOL);
  // In a worker the program has said so already.
  if (stranger !== undefined && !Reflect.has(globalThis, WORKER)) {
    writeWarning({ message: describeStranger(url, stranger.url) });
  }
  return shared;
}

function describeStranger(url: string, stranger: string): string {
  return "Cannot share tasks, scopes and caches between two copies of Quiver as they do not fit " +
    `together: "${stranger}" and "${url}"; have all modules import one of them, by the import map, say`;
}

/**
 * What is to be added to an error that may come from another copy of Quiver with which this one shares
 * nothing.
 *
 * @returns The sentence, or nothing where there is none.
 */
export function noteOfStrangers(): string {
  const stranger = copies().find(({ protocol }) => protocol !== PROTOCOL);
  if (stranger === undefined) return "";
  return `. ${describeStranger(new URL("../../mod.ts", import.meta.url).href, stranger.url)}`;
}

/**
 * Gives what all copies of Quiver in this isolate have in common.
 *
 * @typeParam T What it is.
 * @param name What it is called.
 * @param create Makes it, if no copy has.
 * @returns The same for all copies.
 */
export function sharedByCopies<T>(name: string, create: () => T): T {
  if (!SHARED.has(name)) SHARED.set(name, create());
  // Under each name copies of one protocol keep the same.
  return SHARED.get(name) as T;
}

/** A value that holds for the code that a function runs, across its awaits. */
interface Ambient<T> {
  /** The value that holds here: of the innermost `run`, else the default, if there is one. */
  get(): T | undefined;
  /** Sets the value that holds outside of every `run`. */
  setDefault(value: T): void;
  /**
   * Runs a function with a value.
   *
   * @typeParam R What the function returns.
   * @returns What the function returns.
   */
  run<R>(value: T, fn: () => R): R;
}

/**
 * Creates an ambient value. It is only ever entered by `run`: `enterWith` leaks into the caller.
 *
 * @typeParam T The value's type.
 * @param name What it is called; it is one for all copies of Quiver.
 */
export function createAmbient<T>(name: string): Ambient<T> {
  return sharedByCopies(`ambient ${name}`, () => {
    const storage = new AsyncLocalStorage<T>();
    let fallback: T | undefined;
    return {
      get: () => storage.getStore() ?? fallback,
      setDefault: (value) => void (fallback = value),
      run: (value, fn) => storage.run(value, fn),
    };
  });
}

// A copy that comes later may be loaded where an ambient value holds.
if (!Reflect.has(globalThis, OUTSIDE)) {
  Reflect.set(globalThis, OUTSIDE, AsyncLocalStorage.snapshot());
}

/**
 * Refuses whatever is no Deno, or too old a one, before something fails that says less.
 *
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
