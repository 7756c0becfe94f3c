/**
 * Quiver runs functions on workers and remembers every call: results in a bag of HDF5 files that
 * many workers and processes share, and that answers the same question the second time in
 * microseconds.
 *
 * ```ts
 * import { cacheScope, Executor, openBag, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const simulate = task(import.meta, function simulate(n: number): number {
 *   return Math.sqrt(n);
 * }, { version: 1 });
 *
 * const path = await Deno.makeTempDir();
 * {
 *   await using bag = await openBag(path);
 *   await using executor = new Executor({ workerType: "inline" });
 *   await cacheScope({ cache: bag }, async () => {
 *     assertEquals(await simulate(16), 4);
 *     const future = executor.submit(simulate, 16);
 *     assertEquals(await future, 4);
 *     assertEquals(future.hit, true);
 *   });
 * }
 * await Deno.remove(path, { recursive: true });
 * ```
 *
 * What fewer programs need has entries of its own: more caches, and looking into them, in
 * `@quiver/quiver/caches`; grids of parameters in `@quiver/quiver/sweeps`; workers without an executor,
 * and following what workers do, in `@quiver/quiver/workers`; the pools of other libraries in
 * `@quiver/quiver/pools`; what tests need in `@quiver/quiver/testing`.
 *
 * @module
 */
export type { Bag, OpenBagOptions } from "./src/cache/stored_cache.ts";
export { openBag } from "./src/cache/stored_cache.ts";
export type { Cache, CollectorName } from "./src/cache/cache.ts";
export { createMemoryCache } from "./src/cache/cache.ts";
export {
  AmbiguousDigestError,
  BagCorruptError,
  BagFormatError,
  CacheMissError,
  CancelledError,
  ChangedArgumentError,
  DeadlineError,
  DeadlockError,
  DependencyError,
  ExecutorShutdownError,
  FileError,
  IndigestibleError,
  NestedExecutorError,
  QuiverError,
  ScopeClosedError,
  UnclonableError,
  UnhandledFailuresError,
  WorkerDiedError,
  WorkerInitError,
  WorkersKilledError,
} from "./src/base/errors.ts";
export type { CallOptions } from "./src/executor/call_options.ts";
export { Executor, type ShutdownOptions } from "./src/executor/executor.ts";
export type { ExecutorOptions } from "./src/executor/options.ts";
export type { ExecutorView } from "./src/executor/executor.ts";
export type { MapOptions, SpreadItem } from "./src/executor/map/map_task.ts";
export {
  asCompleted,
  type AsCompletedOptions,
  wait,
  type WaitOptions,
} from "./src/executor/wait.ts";
export {
  annotate,
  cacheScope,
  type CacheScopeOptions,
  closeCaches,
  currentDirectory,
  currentScope,
  currentSignal,
  openScope,
  outputFile,
  reportProgress,
  type ScopeHandle,
  setDefaultScope,
  useCache,
  withMetadata,
  withTags,
} from "./src/scope/current_scope.ts";
export type { UseCacheOptions } from "./src/cache/named_caches.ts";
export type {
  CallNotes,
  CollectedCall,
  CollectedFacts,
  Collector,
  Scope,
  ScopeCollector,
  ScopeOptions,
} from "./src/scope/scope.ts";
export { bind } from "./src/task/bind.ts";
export type { Future } from "./src/task/future.ts";
export type { Explanation, Reason } from "./src/cache/explain.ts";
export type { AcceptOptions, AcceptResult } from "./src/task/accept.ts";
export {
  type BoundTask,
  method,
  type MethodFunction,
  type MethodName,
  type Task,
  task,
} from "./src/task/task.ts";
export type { Shelved, TaskTemplate } from "./src/task/task_helpers.ts";
export type { ComfortOptions, RateOptions, RetryOptions } from "./src/task/comforts.ts";
export type { TaskOptions } from "./src/task/task_options.ts";
export { D } from "./src/task/stored_value.ts";
export { file, type FileHandle, type FileOptions } from "./src/value/file/file_handle.ts";
export { share, type Shared } from "./src/value/share.ts";
export type { Digest } from "./src/value/value.ts";
export type { QuiverWarning } from "./src/base/warning.ts";
export { transfer } from "./src/worker/transfer.ts";
export type { WorkerType } from "./src/worker/worker.ts";
