/**
 * Workers beside those of an `Executor` of one's own: a call on a worker that nobody has to open, worker
 * contexts, one executor that a whole program shares, tasks that travel with their scope; and what
 * follows workers and calls, and sets them up.
 *
 * ```ts
 * import { task } from "@quiver/quiver";
 * import { openWorkerContext, runInWorker } from "@quiver/quiver/workers";
 * import { assertEquals } from "@std/assert";
 *
 * const square = task(import.meta, (n: number) => n * n, { name: "square" });
 *
 * await using context = openWorkerContext({ workerType: "inline" });
 * assertEquals(await context.run(square, [3]), 9);
 * assertEquals(await runInWorker(square, [4], { context }), 16);
 * ```
 *
 * @module
 */
export type { TaskAddress } from "./call/call_record.ts";
export type { WorkerStatistics } from "./executor/dispatch/worker_statistics.ts";
export type { CallStatistics } from "./executor/call_options.ts";
export type { ExecutorObserver, ObservedCall, WorkerEnding } from "./executor/call_options.ts";
export type { ExecutorStatistics } from "./executor/options.ts";
export type { WorkerOutputLine } from "./executor/call_options.ts";
export type { ProgressObserver } from "./executor/map/progress_bar.ts";
export {
  getReusableExecutor,
  type ReusableExecutor,
  type ReusableExecutorOptions,
} from "./executor/reusable_executor.ts";
export {
  configureDefaultContext,
  defaultContextStatistics,
  defaultLimiter,
  type Limiter,
  openWorkerContext,
  runInWorker,
  type RunInWorkerOptions,
  type WorkerContext,
  type WorkerRunOptions,
} from "./executor/worker_context.ts";
export type { WorkerContextOptions } from "./scope/scope.ts";
export type { Description } from "./store/stores.ts";
export { restoreBound, type RestoredTask } from "./task/bind.ts";
export type { Deferred, DeferredArguments } from "./task/task.ts";
export { registerError, type RegisterErrorOptions } from "./value/class_registry.ts";
export type { CallProgress, ProgressReport, ProgressValues, WorkerHook } from "./worker/worker.ts";
