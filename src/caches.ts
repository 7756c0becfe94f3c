/**
 * Further caches than a bag and one in memory, caches that are made of others, and what looks into a
 * cache, checks it, moves its calls to another one or gives them other keys.
 *
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { openFileCache, query, stack } from "@quiver/quiver/caches";
 * import { assertEquals } from "@std/assert";
 *
 * const cube = task(import.meta, (n: number) => n ** 3, { name: "cube" });
 *
 * const path = await Deno.makeTempDir();
 * {
 *   await using files = await openFileCache(path);
 *   await cacheScope({ cache: files }, () => cube(2));
 *   // Answers from the files, and keeps what is new in memory.
 *   const memory = createMemoryCache();
 *   await cacheScope({ cache: stack(memory, files) }, () => Promise.all([cube(2), cube(3)]));
 *   assertEquals([await query(files).count(), await query(memory).count()], [1, 2]);
 * }
 * await Deno.remove(path, { recursive: true });
 * ```
 *
 * @module
 */
export type { BagOptions, CacheFilesOptions, FoldResult } from "./disk/disk_storage.ts";
export type { CachePermissions } from "./disk/ownership.ts";
export type { BackupOptions, BackupProgress, BackupResult } from "./bag/backup/backup_options.ts";
export type { VerifyOptions, VerifyReport, VerifyStep } from "./bag/verify/report.ts";
export type {
  CallFailure,
  CallRecord,
  CallUse,
  FailureError,
  Json,
  RecordedTask,
} from "./call/call_record.ts";
export type { CallQuery, CallTemplate, KnownTask, Wanted, WantedFact } from "./call/call_query.ts";
export { verifyBag } from "./cache/stored_cache.ts";
export { explain } from "./cache/explain.ts";
export { type CallChange, follow, type FollowOptions } from "./cache/follow.ts";
export { type CacheUsage, type TaskUsage, usage } from "./cache/usage.ts";
export { listCaches, type NamedCache } from "./cache/config.ts";
export { rekey, type RekeyOptions, voidCache } from "./cache/cache.ts";
export type { PreparableCall, PreparedCall } from "./cache/cache.ts";
export { type CallSelection, query, type QueryOptions, type SortOptions } from "./cache/query.ts";
export type { QueryTemplate, RecordQuery, WantedValue } from "./cache/find_calls.ts";
export type { RecordKey } from "./cache/record_keys.ts";
export { table, type TableOptions } from "./cache/table.ts";
export { writeLines } from "./cache/write_lines.ts";
export type { Table } from "./cache/table/table.ts";
export type {
  GridOptions,
  GridResult,
  PrintOptions,
  TableRow,
} from "./cache/table/table_content.ts";
export { type Bound, type Condition, type Where, where } from "./call/condition.ts";
export {
  createCache,
  filtered,
  limited,
  mix,
  readOnly,
  refreshing,
  stack,
  union,
} from "./cache/layered.ts";
export {
  type FileCacheOptions,
  openFileCache,
  openSqliteCache,
  type SqliteCacheOptions,
  type StoredCache,
} from "./cache/stored_cache.ts";
export { expand, shrink } from "./cache/short_digests.ts";
export type { GcOptions } from "./cache/tidy.ts";
export { CacheFormatError, InstanceError } from "./base/errors.ts";
export type { ExportOptions, ExportResult } from "./store/exchange/export_bag.ts";
export type { ImportResult } from "./store/exchange/import_bag.ts";
export type {
  ImportDatasetsOptions,
  ImportDatasetsResult,
  ImportedDataset,
  SkippedDataset,
} from "./store/exchange/import_datasets.ts";
export type { BagEntry, BagPlace, DescribeOptions } from "./store/browse/read_bag.ts";
export type { OwnCalls, OwnEntry, OwnStores, OwnValues } from "./store/own_stores.ts";
export type { RekeyResult } from "./store/rekey.ts";
export type { SigningOptions } from "./store/signed/signing_keys.ts";
export type { VerifyBagOptions } from "./store/verify/run_verify_worker.ts";
export type { CacheStatistics, StorageStatistics } from "./store/stores.ts";
export type { LimitedCall, LimitOptions } from "./store/limited/limits.ts";
export type { CallFeed, Found, MaybePromise, RecordChange, SweepResult } from "./store/stores.ts";
export type { TransferOptions, TransferResult } from "./store/transfer_calls.ts";
export type { NdArray, NumberArray } from "./value/array_shape.ts";
export { registerClass, type RegisterClassOptions } from "./value/register_class.ts";
export { digestSymbol, shapeSymbol } from "./value/symbols.ts";
