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
 * @module
 */
export type { BagOptions, CompressionOptions, FoldResult } from "./src/disk/disk_storage.ts";
export type { CacheFilesOptions } from "./src/disk/disk_storage.ts";
export type {
  VerifyFinding,
  VerifyObserver,
  VerifyOptions,
  VerifyReport,
  VerifyStep,
  VerifyStepName,
} from "./src/bag/verify/report.ts";
export type { ArgumentRecord, CallRecord, IgnoredPosition, Json } from "./src/call/call_record.ts";
export type { TaskAddress, TaskOrigin } from "./src/call/call_record.ts";
export {
  Bag,
  openBag,
  type OpenBagOptions,
  type ValuePlace,
  verifyBag,
} from "./src/cache/stored_cache.ts";
export {
  Cache,
  createMemoryCache,
  redigest,
  type RedigestOptions,
  voidCache,
} from "./src/cache/cache.ts";
export { CallSelection, query, type QueryOptions } from "./src/cache/query.ts";
export { limited, type LimitOptions, pool, readOnly, stack } from "./src/cache/layered.ts";
export {
  type FileCacheOptions,
  openFileCache,
  openSqliteCache,
  type SqliteCacheOptions,
  StoredCache,
} from "./src/cache/stored_cache.ts";
export type { GcOptions } from "./src/cache/tidy.ts";
export type { CallQuery, CallTemplate } from "./src/call/call_query.ts";
export * from "./src/base/errors.ts";
export type { CallOptions } from "./src/executor/call_options.ts";
export type { CallStatistics, TimeQuantiles } from "./src/executor/call_options.ts";
export { ExecutorView } from "./src/executor/executor.ts";
export { Executor, type ShutdownOptions } from "./src/executor/executor.ts";
export type { ExecutorOptions } from "./src/executor/options.ts";
export type { ExecutorStatistics } from "./src/executor/options.ts";
export type {
  EndedWorker,
  ExecutorObserver,
  FinishedCall,
  ObservedCall,
  ObservedWorker,
  RetriedCall,
  StartedCall,
} from "./src/executor/call_options.ts";
export type { Limiter } from "./src/executor/worker_context.ts";
export type { DispatcherStatistics } from "./src/executor/dispatch/dispatcher.ts";
export {
  getReusableExecutor,
  type ReusableExecutor,
  type ReusableExecutorOptions,
} from "./src/executor/reusable_executor.ts";
export type { MapOptions } from "./src/executor/map/map_task.ts";
export type {
  OutputOption,
  OutputStream,
  OutputTaker,
  WorkerOutputLine,
} from "./src/executor/call_options.ts";
export type { PoolAdapter, PoolMethod } from "./src/executor/pools/pool_runner.ts";
export type { BoundCall } from "./src/executor/pools/pool_call.ts";
export type { ProgressObserver } from "./src/executor/map/progress_bar.ts";
export {
  asCompleted,
  type AsCompletedOptions,
  type Completion,
  wait,
  type WaitOptions,
  type WaitResult,
  type WaitUntil,
} from "./src/executor/wait.ts";
export {
  configureDefaultContext,
  defaultContextStatistics,
  defaultLimiter,
  openWorkerContext,
  runInWorker,
  type RunInWorkerOptions,
  type WorkerContext,
  type WorkerRunOptions,
} from "./src/executor/worker_context.ts";
export {
  cacheScope,
  currentScope,
  currentSignal,
  openScope,
  report,
  type ScopeHandle,
  setDefaultScope,
  withMetadata,
  withTags,
} from "./src/scope/current_scope.ts";
export type { ScopeDescription } from "./src/scope/scope.ts";
export type { Scope, ScopeOptions } from "./src/scope/scope.ts";
export type { WorkerContextOptions } from "./src/scope/scope.ts";
export type { LimitedCall } from "./src/store/limited/eviction_index.ts";
export type { ExportResult } from "./src/store/exchange/export_bag.ts";
export type { ImportResult } from "./src/store/exchange/import_bag.ts";
export type { StoreLimits } from "./src/store/limited/limited_stores.ts";
export type { BagEntry } from "./src/store/browse/read_bag.ts";
export type { IdentityChange, RedigestResult } from "./src/store/redigest.ts";
export type { SigningKey, SigningOptions } from "./src/store/signed/signing_keys.ts";
export type { TransferOptions, TransferResult } from "./src/store/transfer_calls.ts";
export type { CacheStatistics, StorageStatistics, StoreStatistics } from "./src/store/stores.ts";
export type {
  BagDescription,
  FilesDescription,
  Found,
  LayersDescription,
  LimitDescription,
  LimitedDescription,
  MaybePromise,
  MixedDescription,
  SignedDescription,
  SqliteDescription,
  SqliteOptions,
  StoreDescription,
  SweepResult,
} from "./src/store/stores.ts";
export type { VictimPolicy } from "./src/store/limited/policy.ts";
export {
  type ExecutesTasks,
  type PoolArguments,
  type PoolMethodName,
  type PoolOptions,
  type RunsTasks,
  type SubmitsTasks,
  type TakesTasks,
  wrapExecutor,
  type WrappedExecutor,
} from "./src/executor/pools/wrap_executor.ts";
export { bind, restoreBound, type RestoredTask } from "./src/task/bind.ts";
export type { BoundDescription } from "./src/task/task.ts";
export { CallProgress, type FutureState, type OnAbort } from "./src/task/future.ts";
export { Future } from "./src/task/future.ts";
export {
  type BoundTask,
  type Deferred,
  type DeferredArguments,
  type Task,
  task,
} from "./src/task/task.ts";
export type { CodeMode, TaskOptions } from "./src/task/definition.ts";
export type { NdArray, NumberArray } from "./src/value/array_shape.ts";
export {
  type ErrorClass,
  registerError,
  type RegisterErrorOptions,
} from "./src/value/error_registry.ts";
export { digestSymbol, shapeSymbol } from "./src/value/symbols.ts";
export type { Digest } from "./src/value/value.ts";
export type { SliceRange } from "./src/value/tree/slice_array.ts";
export type { QuiverWarning } from "./src/base/warning.ts";
export { transfer } from "./src/worker/transfer.ts";
export type { Addressed, ProgressReport, WorkerHook, WorkerType } from "./src/worker/worker.ts";
