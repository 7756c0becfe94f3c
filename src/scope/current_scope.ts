/**
 * The one ambient value: which scope holds for the code that runs now.
 *
 * @module
 */
import { createAmbient } from "../base/ambient.ts";
import {
  checkIsOptions,
  checkOptions,
  isPlainObject,
  ofKind,
  oneOf,
  TEXT,
  toFacts,
} from "../base/check_options.ts";
import { importLater } from "../base/lazy_import.ts";
import type { Cache } from "../cache/cache.ts";
import type { Json } from "../call/call_record.ts";
import type { UseCacheOptions } from "../cache/named_caches.ts";
import { deriveScope, type Scope, type ScopeOptions } from "./scope.ts";
import { ScopeClosedError } from "../base/errors.ts";
import { createOutput, type FileHandle } from "../value/file/file_handle.ts";
import type { ProgressValues } from "../worker/worker.ts";

const ambient = createAmbient<Scope>("scope");
const BASE: Scope = deriveScope(undefined, {});

/**
 * The scope that holds here: the innermost one, or one without a cache.
 *
 * @returns The scope.
 *
 * @example See what holds
 * ```ts
 * import { cacheScope, createMemoryCache, currentScope } from "@quiver/quiver";
 * import { assertEquals, assertStrictEquals } from "@std/assert";
 *
 * const cache = createMemoryCache();
 * await cacheScope({ cache, tags: { project: "argon" } }, () => {
 *   assertStrictEquals(currentScope().cache, cache);
 *   assertEquals(currentScope().tags, { project: "argon" });
 * });
 * assertEquals(currentScope().cache, undefined);
 * ```
 */
export function currentScope(): Scope {
  return ambient.get() ?? BASE;
}

/**
 * Sets what holds outside of all scopes of this program, and what its scopes inherit; what the options
 * do not set is as it was when the program started. It is for programs, not for libraries: a scope
 * that is passed to `cacheScope` ends, and this does not. Workers get it with the calls made here.
 *
 * @param options What holds; `{}` takes back what was set.
 * @throws {TypeError} When an option is unknown, or asks for workers.
 *
 * @example Remember what a whole program does
 * ```ts
 * import { createMemoryCache, setDefaultScope, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const fifth = task(import.meta, (n: number) => n / 5, { name: "fifth" });
 * setDefaultScope({ cache: createMemoryCache() });
 * await fifth(10);
 * assertEquals(await fifth.contains(10), true);
 * setDefaultScope({});
 * assertEquals(await fifth.contains(10), false);
 * ```
 */
export function setDefaultScope(options: ScopeOptions): void {
  checkIsOptions("set a default scope", options);
  if ("workers" in options) {
    throw new TypeError(
      "Cannot set a default scope with workers of its own: they end with their scope, and the " +
        "default one has no end",
    );
  }
  ambient.setDefault(deriveScope(undefined, options));
}

type NamedCaches = typeof import("../cache/named_caches.ts");

const FOLDER = ofKind(
  "a path or a `file:` URL",
  (value) => typeof value === "string" || value instanceof URL,
);

/**
 * Uses a cache that the configuration names for all that the program calls outside of scopes, as
 * `setDefaultScope` does; what else that has set stays. The cache is opened by the first who names it,
 * here or in `cacheScope`, and is the same object for all of them until `closeCaches()`; the end of the
 * program loses nothing.
 *
 * The configuration is a `quiver.json`, or the key `quiver` of a `deno.json`, in the working directory
 * and in all folders above it; the closest one that has the name wins, and `"root": true` ends the
 * search. Relative paths are seen from the folder of the file. The guide on configuration has all keys.
 *
 * Requires `--allow-read` of the configuration and of Quiver's files, and what the cache needs. What lies
 * above the working directory and may not be read is passed over.
 *
 * @param name The name; without one, what the configuration has as `default`.
 * @param options Where to look.
 * @returns The cache.
 * @throws {TypeError} When there is no configuration, no cache of that name in it, or something in it
 * that there is not; the message lists what there is.
 * @throws {SyntaxError} When a configuration is no JSON.
 *
 * @example Name a cache in a file
 * ```ts
 * import { closeCaches, task, useCache } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const from = await Deno.makeTempDir();
 * const config = { default: "mine", caches: { mine: { type: "bag", path: "results.bag" } } };
 * await Deno.writeTextFile(`${from}/quiver.json`, JSON.stringify(config));
 *
 * const sixth = task(import.meta, (n: number) => n / 6, { name: "sixth" });
 * const cache = await useCache("mine", { from });
 * await sixth(12);
 * assertEquals(await sixth.contains(12), true);
 * assertEquals(await useCache(undefined, { from }), cache);
 * await closeCaches();
 * await Deno.remove(from, { recursive: true });
 * ```
 */
export async function useCache(name?: string, options: UseCacheOptions = {}): Promise<Cache> {
  checkOptions("use a cache", options, { from: FOLDER, mode: oneOf(["readwrite", "read"]) });
  checkOptions("use a cache", { name }, { name: TEXT });
  const { openNamedCache } = await importLater<NamedCaches>("named");
  const named = await openNamedCache(name, options);
  ambient.setDefault(deriveScope(ambient.getDefault(), named));
  return named.cache;
}

/**
 * Closes all caches that were opened by their names. Who names one of them from then on has it opened
 * anew; those who still have one find it closed, and outside of scopes no cache holds that `useCache` has
 * set.
 *
 * @example Let go of what is configured
 * ```ts
 * import { closeCaches } from "@quiver/quiver";
 *
 * await closeCaches(); // Nothing is open, and nothing happens.
 * ```
 */
export async function closeCaches(): Promise<void> {
  const { closeNamedCaches } = await importLater<NamedCaches>("named");
  const closed = await closeNamedCaches();
  const { cache, ...rest } = ambient.getDefault() ?? BASE;
  if (cache !== undefined && closed.has(cache)) ambient.setDefault(rest);
}

/**
 * Runs a function in a scope.
 *
 * @typeParam T What the function returns.
 * @returns What the function returns.
 */
export function runInScope<T>(scope: Scope, fn: () => T): T {
  return ambient.run(scope, fn);
}

/** What `cacheScope` may set; what it does not set is inherited. */
export interface CacheScopeOptions extends Omit<ScopeOptions, "cache"> {
  /**
   * Where calls are remembered: a cache, or the name of one that the configuration has, as for
   * `useCache`, which stays open when the scope ends; `undefined` (given as such) means: not at all. Where
   * it is left out and there is no scope around, that is the `default` of the configuration, if there is
   * one.
   */
  cache?: Cache | string | undefined;
}

/**
 * Runs a function in a scope of its own: every task called beneath it is remembered in the cache of
 * the scope, on this isolate and on workers. Scopes nest and inherit what they do not set. Workers
 * that the scope sets are its own, and end before the scope does.
 *
 * @typeParam T What the function returns.
 * @param options What the scope sets.
 * @param fn The function.
 * @returns What the function returns.
 * @throws {TypeError} When an option is unknown or of the wrong type, or no cache has the name.
 * @throws {WorkersKilledError} When workers of the scope's own did not end in time.
 * @throws {UnhandledFailuresError} When calls on them have failed, and nobody has looked at their futures.
 *
 * @example Remember calls
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * let runs = 0;
 * const square = task(import.meta, (n: number) => (runs++, n * n), { name: "square" });
 * await cacheScope({ cache: createMemoryCache() }, async () => {
 *   assertEquals(await square(3), 9);
 *   assertEquals(await square(3), 9);
 * });
 * assertEquals(runs, 1);
 * ```
 */
export async function cacheScope<T>(
  options: CacheScopeOptions,
  fn: () => T | Promise<T>,
): Promise<T> {
  const opened = isOpened(options) ? options : await openNamed(options);
  const outer = findOuter(opened);
  // The function is called at once where nothing has to be opened.
  const scope = deriveScope(outer instanceof Promise ? await outer : outer, opened);
  await using _own = options.workers === undefined ? undefined : scope.workers;
  return await ambient.run(scope, fn);
}

function isOpened(options: CacheScopeOptions): options is CacheScopeOptions & ScopeOptions {
  checkIsOptions("open a scope", options);
  return typeof options.cache !== "string";
}

/** The scope around; the outermost has the default cache of the configuration, if this program may read it. */
function findOuter(options: ScopeOptions): Scope | Promise<Scope> {
  const outer = currentScope();
  const isOutermost = outer === (ambient.getDefault() ?? BASE) && outer.cache === undefined;
  return isOutermost && !("cache" in options) && mayRead(".") ? withDefaultCache(outer) : outer;
}

function mayRead(path: string): boolean {
  return Deno.permissions.querySync({ name: "read", path }).state === "granted";
}

async function withDefaultCache(outer: Scope): Promise<Scope> {
  const { openDefaultCache } = await importLater<NamedCaches>("named");
  const named = await openDefaultCache();
  return named === undefined ? outer : deriveScope(outer, named);
}

async function openNamed({ cache, ...options }: CacheScopeOptions): Promise<ScopeOptions> {
  const { openNamedCache } = await importLater<NamedCaches>("named");
  return { ...await openNamedCache(String(cache), {}), ...options };
}

/**
 * Runs a function with more tags: they go into the record of every call beneath it.
 *
 * @typeParam T What the function returns.
 * @param tags The tags; those of outer scopes stay, unless they have the same name.
 * @param fn The function.
 * @returns What the function returns.
 *
 * @example Say what a call was for
 * ```ts
 * import { currentScope, withTags } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * await withTags({ project: "argon" }, () =>
 *   withTags({ run: 7 }, () => {
 *     assertEquals(currentScope().tags, { project: "argon", run: 7 });
 *   }));
 * ```
 */
export function withTags<T>(
  tags: NonNullable<ScopeOptions["tags"]>,
  fn: () => T | Promise<T>,
): Promise<T> {
  return cacheScope({ tags }, fn);
}

/**
 * Runs a function with more metadata: it goes into the record of every call beneath it, where
 * templates find it. Tags say what a call was for; metadata is whatever else is to be known of it.
 *
 * @typeParam T What the function returns.
 * @param metadata The metadata; that of outer scopes stays, unless it has the same name.
 * @param fn The function.
 * @returns What the function returns.
 *
 * @example Note which machine has computed
 * ```ts
 * import { cacheScope, createMemoryCache, task, withMetadata } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const root = task(import.meta, (n: number) => Math.sqrt(n), { name: "root" });
 * const cache = createMemoryCache();
 * await cacheScope({ cache }, () => withMetadata({ machine: { cores: 2 } }, () => root(16)));
 * const record = await cache.record(await root.digest(16));
 * assertEquals(record?.metadata, { machine: { cores: 2 }, tags: {} });
 * ```
 */
export function withMetadata<T>(
  metadata: NonNullable<ScopeOptions["metadata"]>,
  fn: () => T | Promise<T>,
): Promise<T> {
  return cacheScope({ metadata }, fn);
}

/**
 * The signal of the call that runs here: aborted when the call is to end, because its future or the
 * caller's own signal was aborted, its deadline has passed, or the executor was terminated. It is up
 * to the task to look at it, or to pass it on.
 *
 * Code that never awaits hears no events, and still sees `aborted` become `true` wherever memory is
 * shared, which is in `"web"` workers. The reason itself comes as a message: whoever reads `aborted`
 * before that is read finds an `AbortError` in its place.
 *
 * @returns The signal; outside of a call, one that never aborts.
 *
 * @example End early
 * ```ts
 * import { currentSignal, task } from "@quiver/quiver";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * let reason: unknown;
 * const wait = task(import.meta, async () => {
 *   const signal = currentSignal();
 *   await new Promise((resolve) => signal.addEventListener("abort", resolve));
 *   reason = signal.reason;
 * }, { name: "wait" });
 *
 * const future = wait();
 * future.abort("changed my mind");
 * await assertRejects(async () => await future);
 * assertEquals(reason, "changed my mind");
 * ```
 */
export function currentSignal(): AbortSignal {
  return currentScope().control?.signal ?? new AbortController().signal;
}

/**
 * The directory of the body that runs here, of a task with the option `isolate`: its own, and empty when
 * it begins. A worker of the kind `"process"` that may read it has it as its working directory, too.
 * Another task that the body calls as a function has the same, unless it says `isolate` itself.
 *
 * @returns The absolute path.
 * @throws {TypeError} Where no such body runs.
 *
 * @example Run a program that leaves files behind
 * ```ts
 * import { currentDirectory, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const relax = task(import.meta, async (n: number) => {
 *   await Deno.writeTextFile(`${currentDirectory()}/input.txt`, String(n));
 *   return Number(await Deno.readTextFile(`${currentDirectory()}/input.txt`)) / 2;
 * }, { name: "relaxIsolated", isolate: true });
 *
 * assertEquals(await relax(4), 2);
 * ```
 */
export function currentDirectory(): string {
  const { directory } = currentScope();
  if (directory !== undefined) return directory;
  throw new TypeError(
    "Cannot give a current directory: no task with the option `isolate` runs here; define it with " +
      "`task(import.meta, fn, { isolate: true })`",
  );
}

/**
 * Says how far the call is that runs here; its future's `progress` shows it, and so does the bar of
 * `map`. Of many reports the latest arrives. Outside of a call this does nothing.
 *
 * @param progress How much is done, from 0 to 1; or what is being done; or what has come out so far, an
 * object of numbers, texts and booleans, which takes the place of the last one.
 * @throws {RangeError} When the number is not from 0 to 1.
 * @throws {TypeError} When it is none of these.
 *
 * @example Say how far a call is
 * ```ts
 * import { reportProgress, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const load = task(import.meta, async (parts: number) => {
 *   reportProgress("loading");
 *   for (let part = 1; part <= parts; part++) {
 *     await Promise.resolve();
 *     reportProgress(part / parts);
 *   }
 * }, { name: "load" });
 *
 * const future = load(3);
 * await future;
 * assertEquals(future.progress.latest, { message: "loading", fraction: 1 });
 * ```
 */
export function reportProgress(progress: number | string | ProgressValues): void {
  if (typeof progress === "string") return currentScope().control?.report({ message: progress });
  if (typeof progress === "object") return reportValues(progress);
  if (typeof progress !== "number") throw refuseProgress(typeof progress);
  if (!(progress >= 0 && progress <= 1)) {
    throw new RangeError(`Cannot report progress as it must be from 0 to 1: ${progress}`);
  }
  currentScope().control?.report({ fraction: progress });
}

function refuseProgress(what: string): TypeError {
  return new TypeError(
    `Cannot report progress: it is a number from 0 to 1 or a text, or an object of values, not ${what}`,
  );
}

function reportValues(values: ProgressValues): void {
  // As they are now: what is said may be sent later.
  const own = { ...values };
  const all = Object.entries<unknown>(own);
  if (all.length === 0 || Array.isArray(values)) {
    throw refuseProgress(values === null ? "null" : Array.isArray(values) ? "an array" : "empty");
  }
  const wrong = all.find(([, value]) =>
    value !== null && !["number", "string", "boolean"].includes(typeof value)
  );
  if (wrong !== undefined) {
    const [name, value] = wrong;
    throw new TypeError(
      `Cannot report progress: "${name}" is a number, a text, a boolean or null, not ${typeof value}`,
    );
  }
  currentScope().control?.report({ values: own });
}

/**
 * Adds to the record of the call that runs here: `query` finds calls by it, as by
 * `{ metadata: { annotations: … } }`. What is said last of a name counts. Nothing is recorded of a call
 * that fails, nor of one that is not remembered; a nested call has annotations of its own. What is no
 * JSON, such as NaN, is left out with a warning, as the result is not to be lost for it.
 *
 * @param facts What is to be known of the call; never part of its key.
 * @throws {TypeError} When it is no plain object, or no call runs here.
 *
 * @example Note how well something fits
 * ```ts
 * import { annotate, cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { query, where } from "@quiver/quiver/caches";
 * import { assertEquals } from "@std/assert";
 *
 * const fit = task(import.meta, (rate: number) => {
 *   annotate({ loss: 1 / rate });
 *   return { rate };
 * }, { name: "fit" });
 *
 * const cache = createMemoryCache();
 * await cacheScope({ cache }, () => Promise.all([fit(2), fit(8)]));
 * const good = query(cache, { metadata: { annotations: { loss: where.below(0.2) } } });
 * assertEquals(await good.count(), 1);
 * ```
 */
export function annotate(facts: { readonly [name: string]: Json }): void {
  const { chain, notes, warn } = currentScope();
  if (chain === undefined) {
    throw new TypeError(
      "Cannot annotate a call: none runs here; call `annotate` in the function of a task, before it " +
        "has returned",
    );
  }
  if (!isPlainObject(facts)) {
    throw new TypeError(
      "Cannot annotate a call: what is to be noted is a plain object, such as `{ loss }`",
    );
  }
  if (notes === undefined) return;
  const own: [string, Json][] = [];
  for (const entry of Object.entries(facts)) {
    try {
      const fact = Object.fromEntries([entry]);
      own.push(...Object.entries(toFacts(fact, "annotations", `annotate "${chain.task}"`)));
    } catch (error) {
      warn(`${error instanceof Error ? error.message : error}; it is left out`, undefined, false);
    }
  }
  notes.annotations = { ...notes.annotations, ...Object.fromEntries(own) };
}

/** A scope to hold in a variable: it sets nothing by itself, only what `run` runs is in it. */
export interface ScopeHandle extends AsyncDisposable {
  /** What holds in the scope. */
  readonly scope: Scope;
  /**
   * Runs a function in the scope.
   *
   * @typeParam T What the function returns.
   * @param fn The function.
   * @returns What the function returns.
   * @throws {ScopeClosedError} When the scope was closed.
   */
  run<T>(fn: () => T | Promise<T>): Promise<T>;
  /** Waits for what runs in the scope, then ends workers of its own; may be called twice. */
  close(): Promise<void>;
  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens a scope to hold in a variable. It inherits from the scope that holds here.
 *
 * @param options What the scope sets.
 * @returns The scope; closing it waits for what runs in it, then ends workers of its own.
 *
 * @example Two scopes side by side
 * ```ts
 * import { createMemoryCache, currentScope, openScope } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * await using left = openScope({ cache: createMemoryCache(), tags: { side: "left" } });
 * await using right = openScope({ cache: createMemoryCache(), tags: { side: "right" } });
 * assertEquals(await left.run(() => currentScope().tags), { side: "left" });
 * assertEquals(await right.run(() => currentScope().tags), { side: "right" });
 * ```
 */
export function openScope(options: ScopeOptions): ScopeHandle {
  const scope = deriveScope(currentScope(), options);
  const workers = options.workers === undefined ? undefined : scope.workers;
  const running = new Set<Promise<unknown>>();
  let closed = false;
  const close = async (): Promise<void> => {
    closed = true;
    await Promise.allSettled(running);
    await workers?.[Symbol.asyncDispose]();
  };
  return {
    scope,
    async run(fn) {
      if (closed) {
        throw new ScopeClosedError("Cannot run in a scope: it was closed; open another one");
      }
      const run = (async () => await runInScope(scope, fn))();
      running.add(run);
      try {
        return await run;
      } finally {
        running.delete(run);
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/**
 * Makes a file, or a directory with all that is in it, a part of a result: its bytes are remembered, and
 * a hit puts it back where it is missing or differs.
 *
 * A relative path is one below the directory of outputs: the option `outputs` of the scope, or else the
 * working directory. The `path` of the handle says where that is; the task writes there, and returns
 * the handle, alone or inside of something else. When the body has ended the file is read, piece by
 * piece, and stored under the SHA-256 of its bytes.
 *
 * A hit writes to a temporary file and renames it, so that nobody sees a part of it. It writes nothing
 * outside of the directory of outputs, nor behind a symbolic link in it, whatever the cache says:
 * elsewhere only where an argument of the call is the path of the file, or that of its directory. Of a
 * directory each file is put back that is missing or differs; other files in it stay.
 *
 * The call fails with a `FileError` when the body has not written the file, when two outputs of a result
 * have one place, or when something is in the way of a file that is to be put back.
 *
 * Requires `--allow-read` of the file, and `--allow-write` to put it back.
 *
 * @param path A path, or a `file:` URL.
 * @returns A handle to write by, to return, and to read from.
 * @throws {TypeError} When the path is no path, or leads upwards.
 *
 * @example Have a chart drawn once, and put back when it is missing
 * ```ts
 * import { cacheScope, createMemoryCache, outputFile, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * let runs = 0;
 * const draw = task(import.meta, async function draw(color: string) {
 *   runs++;
 *   const chart = outputFile("chart.svg");
 *   await Deno.writeTextFile(chart.path, `<svg><circle r="9" fill="${color}"/></svg>`);
 *   return chart;
 * });
 *
 * const outputs = await Deno.makeTempDir();
 * await cacheScope({ cache: createMemoryCache(), outputs }, async () => {
 *   const chart = await draw("red");
 *   await Deno.remove(chart.path);
 *   const again = await draw("red");
 *   assertEquals(await again.text(), '<svg><circle r="9" fill="red"/></svg>');
 *   assertEquals(await Deno.readTextFile(`${outputs}/chart.svg`), await again.text());
 * });
 * assertEquals(runs, 1);
 * await Deno.remove(outputs, { recursive: true });
 * ```
 */
export function outputFile(path: string | URL): FileHandle {
  return createOutput(path, currentScope().outputs);
}
