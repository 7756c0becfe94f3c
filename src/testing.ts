/**
 * For the tests of programs that use Quiver: a fresh cache for each test, calls that must or must not be
 * known, a clock that can be put forward, and what every store of one's own has to do.
 *
 * ```ts
 * import { task } from "@quiver/quiver";
 * import { expectHit, expectMiss, withFreshCache } from "@quiver/quiver/testing";
 *
 * const cube = task(import.meta, (n: number) => n ** 3, { name: "cube" });
 *
 * const test = withFreshCache(async () => {
 *   await cube(2);
 *   await expectHit(cube, 2);
 *   await expectMiss(cube, 3);
 * });
 * await test(); // Or: Deno.test("cubes are remembered", test);
 * ```
 *
 * @module
 */
export { expectHit, expectMiss, withFreshCache } from "./testing/cached_test.ts";
export { FakeClock } from "./testing/fake_clock.ts";
export { checkStores, type OpenStores, type StoreCheck } from "./testing/check_stores.ts";
