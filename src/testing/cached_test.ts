import { AssertionError } from "node:assert";
import { type Cache, createMemoryCache } from "../cache/cache.ts";
import { cacheScope } from "../scope/current_scope.ts";
import type { ScopeOptions } from "../scope/scope.ts";
import type { DeferredArguments, Task } from "../task/task.ts";

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

/**
 * Fails unless the cache of the scope knows the result of a call. The task does not run.
 *
 * @typeParam A The arguments of the task.
 * @typeParam R What its calls return.
 * @param task The task.
 * @param args The arguments.
 * @returns The result.
 * @throws {AssertionError} When it is not known; the message says why, as `task.explain()` does.
 *
 * @example What was computed is known
 * ```ts
 * import { task } from "@quiver/quiver";
 * import { expectHit, withFreshCache } from "@quiver/quiver/testing";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const grow = task(import.meta, (rate: number) => 1 + rate, { name: "grow" });
 * await withFreshCache(async () => {
 *   await grow(0.5);
 *   assertEquals(await expectHit(grow, 0.5), 1.5);
 *   await assertRejects(() => expectHit(grow, 0.25), Error, "argument rate: 0.5 → 0.25");
 * })();
 * ```
 */
export async function expectHit<A extends readonly unknown[], R>(
  task: Task<A, R>,
  ...args: DeferredArguments<A>
): Promise<R> {
  const explanation = await task.explain(...args);
  if (!explanation.hit) throw failure("a hit", `${explanation}`, expectHit);
  return await task.load(...args);
}

/**
 * Fails if the cache of the scope knows the result of a call. The task does not run.
 *
 * @typeParam A The arguments of the task.
 * @typeParam R What its calls return.
 * @param task The task.
 * @param args The arguments.
 * @throws {AssertionError} When it is known.
 *
 * @example What was not computed is not known
 * ```ts
 * import { task } from "@quiver/quiver";
 * import { expectMiss, withFreshCache } from "@quiver/quiver/testing";
 * import { assertRejects } from "@std/assert";
 *
 * const halve = task(import.meta, (n: number) => n / 2, { name: "halve" });
 * await withFreshCache(async () => {
 *   await halve(8);
 *   await expectMiss(halve, 6);
 *   await assertRejects(() => expectMiss(halve, 8), Error, "Expected a miss");
 * })();
 * ```
 */
export async function expectMiss<A extends readonly unknown[], R>(
  task: Task<A, R>,
  ...args: DeferredArguments<A>
): Promise<void> {
  const explanation = await task.explain(...args);
  if (explanation.hit) throw failure("a miss", `${explanation}`, expectMiss);
}

function failure(
  expected: string,
  explanation: string,
  // What the stack of the error leaves out.
  stackStartFn: (...args: never[]) => unknown,
): AssertionError {
  return new AssertionError({ message: `Expected ${expected}: ${explanation}`, stackStartFn });
}
