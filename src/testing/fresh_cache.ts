import { type Cache, createMemoryCache } from "../cache/cache.ts";
import { cacheScope } from "../scope/current_scope.ts";
import type { ScopeOptions } from "../scope/scope.ts";

/**
 * Makes a test that begins with an empty cache in memory, which is gone when it ends: no test knows what
 * another one has computed, and nothing is left behind. Faults of the cache fail the test instead of
 * being warned of.
 *
 * @typeParam A What the test is given beside the cache, such as `Deno.TestContext`.
 * @typeParam R What the test returns.
 * @param fn The test; everything beneath it uses the cache.
 * @param options Options of its scope.
 * @returns A function for `Deno.test()`, `it()` and their like.
 *
 * @example Count what a test has to compute
 * ```ts
 * import { task } from "@quiver/quiver";
 * import { withFreshCache } from "@quiver/quiver/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const square = task(import.meta, (n: number) => n * n, { name: "square" });
 * const test = withFreshCache(async (cache) => {
 *   await Promise.all([3, 3, 4].map((n) => square(n)));
 *   assertEquals(cache.statistics().misses, 2);
 * });
 * await test();
 * ```
 */
export function withFreshCache<A extends unknown[], R>(
  fn: (cache: Cache, ...args: A) => R | Promise<R>,
  options: Omit<ScopeOptions, "cache"> = {},
): (...args: A) => Promise<R> {
  return (...args) => {
    const cache = createMemoryCache();
    return cacheScope({ strict: true, ...options, cache }, () => fn(cache, ...args));
  };
}
