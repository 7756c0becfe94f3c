/**
 * The one ambient value: which scope holds for the code that runs now.
 *
 * @module
 */
import { createAmbient } from "../ambient.ts";
import { deriveScope } from "./derive_scope.ts";
import type { Scope, ScopeOptions } from "./scope.ts";

const ambient = createAmbient<Scope>();
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
  if ("workers" in options) {
    throw new TypeError(
      "Cannot set a default scope with workers of its own: they end with their scope, and the " +
        "default one has no end",
    );
  }
  ambient.setDefault(deriveScope(undefined, options));
}

/**
 * Runs a function in a scope.
 *
 * @typeParam T What the function returns.
 * @param scope The scope.
 * @param fn The function.
 * @returns What the function returns.
 */
export function runInScope<T>(scope: Scope, fn: () => T): T {
  return ambient.run(scope, fn);
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
 * @throws {WorkersKilledError} When workers of the scope's own did not end in time.
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
  options: ScopeOptions,
  fn: () => T | Promise<T>,
): Promise<T> {
  const scope = deriveScope(currentScope(), options);
  await using _own = options.workers === undefined ? undefined : scope.workers;
  return await ambient.run(scope, fn);
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
