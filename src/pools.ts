/**
 * Pools of other libraries: what has them run tasks, and what their workers run the calls with.
 *
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { wrapExecutor } from "@quiver/quiver/pools";
 * import { assertEquals } from "@std/assert";
 *
 * const square = task(import.meta, (n: number) => n * n, { name: "square" });
 *
 * let taken = 0;
 * const pool = wrapExecutor({ submit: async <T>(fn: () => T) => (taken++, await fn()) });
 * await cacheScope({ cache: createMemoryCache() }, async () => {
 *   assertEquals(await pool.submit(square, 12), 144);
 *   assertEquals(await pool.submit(square, 12), 144);
 * });
 * assertEquals(taken, 1);
 * ```
 *
 * @module
 */
export type { PoolAdapter } from "./executor/pools/pool_runner.ts";
export { type BoundCall, type BoundOutcome, runBound } from "./executor/pools/pool_worker.ts";
export {
  type PoolArguments,
  type PoolMethodName,
  type PoolOptions,
  type TakesTasks,
  wrapExecutor,
  type WrappedExecutor,
} from "./executor/pools/wrap_executor.ts";
