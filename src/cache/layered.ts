import {
  checkOptions,
  FUNCTION,
  type OptionRule,
  type OptionRules,
  showOption,
  withFunctions,
} from "../base/check_options.ts";
import type { CallQuery } from "../call/call_query.ts";
import { LAYERED, mixStores } from "../store/layered_stores.ts";
import { type OwnStores, toStores } from "../store/own_stores.ts";
import type { LayersDescription } from "../store/stores.ts";
import { Cache, checkCache, isCache } from "./cache.ts";
import { filterStores, refreshStores } from "../store/views.ts";
import { limitStores } from "../store/limited/limited_stores.ts";
import type { LimitOptions } from "../store/limited/limits.ts";

/**
 * Puts a cache on top of others: calls that the first one does not know are looked up in those
 * beneath it, and copied into the first; what is new is stored in the first. A call of which the first
 * has only the record left, its result missing or damaged, is answered from beneath, too, and mended in
 * the first.
 *
 * Several who ask for one call at a time share one copy. To forget a call is to forget it in all of
 * the caches; garbage is collected in the first one. The caches stay the caller's to close. A stack
 * can be part of another, and travels to workers if all of its caches do.
 *
 * @param first Where new results go.
 * @param others The caches beneath, the first one asked first.
 * @returns A cache, which can be used wherever a cache can.
 *
 * @example Try something out on top of what colleagues have computed
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { readOnly, stack } from "@quiver/quiver/caches";
 * import { assertEquals } from "@std/assert";
 *
 * const [mine, ours] = [createMemoryCache(), createMemoryCache()];
 * const square = task(import.meta, (n: number) => n * n, { name: "square" });
 * await cacheScope({ cache: ours }, () => square(4));
 * await cacheScope({ cache: stack(mine, readOnly(ours)) }, () => Promise.all([square(4), square(5)]));
 * assertEquals([await mine.contains(await square.digest(4)), mine.statistics().misses], [true, 0]);
 * assertEquals(await ours.contains(await square.digest(5)), false);
 * ```
 */
export function stack(first: Cache, ...others: readonly Cache[]): Cache {
  return combine("stack", [first, ...others]);
}

/**
 * Reads several caches as one, and changes none of them: the first that knows a call answers, and
 * nothing is copied or remembered.
 *
 * The caches stay the caller's to close. A union travels to workers if all of its caches do.
 *
 * @param first The cache that is asked first.
 * @param others The other caches.
 * @returns A cache that is read-only.
 *
 * @example Look at the results of two runs
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { union } from "@quiver/quiver/caches";
 * import { assertEquals } from "@std/assert";
 *
 * const [first, second] = [createMemoryCache(), createMemoryCache()];
 * const cube = task(import.meta, (n: number) => n ** 3, { name: "cube" });
 * await cacheScope({ cache: first }, () => cube(2));
 * await cacheScope({ cache: second }, () => cube(3));
 * const both = await cacheScope({ cache: union(first, second) }, () => {
 *   return Promise.all([cube.load(2), cube.load(3)]);
 * });
 * assertEquals(both, [8, 27]);
 * ```
 */
export function union(first: Cache, ...others: readonly Cache[]): Cache {
  return combine("union", [first, ...others]);
}

/**
 * Protects a cache: it answers, but remembers nothing new and forgets nothing.
 *
 * @param cache The cache; it stays the caller's to close.
 * @returns A cache with the same content that is read-only.
 *
 * @example Use results without adding any
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { readOnly } from "@quiver/quiver/caches";
 * import { assertRejects } from "@std/assert";
 *
 * const cache = createMemoryCache();
 * const half = task(import.meta, (n: number) => n / 2, { name: "half" });
 * await cacheScope({ cache }, () => half(8));
 * await assertRejects(() => readOnly(cache).evict(half), TypeError, "it is read-only");
 * ```
 */
export function readOnly(cache: Cache): Cache {
  return combine("readOnly", [cache]);
}

/**
 * Makes a cache that keeps values where one cache does, and calls where another does, which also
 * decides who computes what. Both stay open as long as it is used, and the caller's to close.
 *
 * Collect its garbage with its own `gc()`, which keeps what the calls of either name. The cache of the
 * values knows nothing of calls that are kept elsewhere, and its `gc()` drops what they need.
 *
 * @param caches Where values, and where calls are kept.
 * @returns The cache; it travels to workers if both do.
 * @throws {TypeError} When something is no cache.
 *
 * @example Records in one place, values in memory
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { mix } from "@quiver/quiver/caches";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const [values, calls] = [createMemoryCache(), createMemoryCache()];
 * const half = task(import.meta, (n: number) => n / 2, { name: "half" });
 * await cacheScope({ cache: mix({ values, calls }) }, () => half(8));
 * const record = await calls.record(await half.digest(8));
 * assert(record !== undefined);
 * assertEquals(await values.value(record.result), { hit: true, value: 4 });
 * assertEquals(await calls.value(record.result), { hit: false });
 * ```
 */
export function mix({ values, calls }: { values: Cache; calls: Cache }): Cache {
  checkCache(values, "mix caches as `values`");
  checkCache(calls, "mix caches as `calls`");
  // Another copy of Quiver may have made them.
  return new Cache(mixStores(values.stores, calls.stores));
}

/**
 * Shows some of the calls of a cache: those of a task, of a version, with a tag… It is a live view, which
 * sees what the cache learns and forgets; what it does not show is a miss, and runs. Nothing is remembered
 * in it. Failures are shown that match otherwise, unless the query says which `state` is meant.
 *
 * @param cache The cache; it stays the caller's to close.
 * @param query Which calls are shown: a task, what they have in common, or a function that tells.
 * @returns A cache that is read-only; it travels to workers if the cache does and the query is no
 * function and has none inside.
 * @throws {TypeError} When it is no cache, or the query has an unknown field.
 *
 * @example Trust only what was computed on Friday
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { filtered, query } from "@quiver/quiver/caches";
 * import { assertEquals } from "@std/assert";
 *
 * const half = task(import.meta, (n: number) => n / 2, { name: "half" });
 * const cache = createMemoryCache();
 * await cacheScope({ cache, tags: { run: "Thursday" } }, () => half(8));
 * await cacheScope({ cache, tags: { run: "Friday" } }, () => half(6));
 *
 * const friday = filtered(cache, { tags: { run: "Friday" } });
 * assertEquals(await query(friday).count(), 1);
 * await cacheScope({ cache: friday }, async () => {
 *   assertEquals([await half.contains(6), await half.contains(8)], [true, false]);
 * });
 * ```
 */
export function filtered(cache: Cache, query: CallQuery): Cache {
  checkCache(cache, "filter calls as the first argument");
  return new Cache(filterStores(cache.stores, query));
}

/**
 * Has everything computed anew: of the calls that the cache knows only those count that have begun since
 * the view was made. What is computed replaces what was known, also that of nested calls, here and on
 * workers; each call runs once.
 *
 * @param cache The cache; it stays the caller's to close.
 * @returns A cache that stores into it; it travels to workers if the cache does.
 * @throws {TypeError} When it is no cache.
 *
 * @example Ask again what may have changed outside
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { refreshing } from "@quiver/quiver/caches";
 * import { assertEquals } from "@std/assert";
 *
 * let price = 1;
 * const ask = task(import.meta, (share: string) => `${share}: ${price}`, { name: "ask" });
 * const cache = createMemoryCache();
 * await cacheScope({ cache }, () => ask("ACME"));
 * price = 2;
 * await cacheScope({ cache: refreshing(cache) }, () => Promise.all([ask("ACME"), ask("ACME")]));
 * assertEquals(await cacheScope({ cache }, () => ask("ACME")), "ACME: 2");
 * ```
 */
export function refreshing(cache: Cache): Cache {
  checkCache(cache, "refresh calls as the first argument");
  // What has begun in this millisecond may have begun before.
  return new Cache(refreshStores(cache.stores, Date.now() + 1));
}

/**
 * Makes a cache that keeps its data where you say: in a database, on a server, behind an interface that
 * your company has. Values come as bytes under digests, and are checked when they come back: what was
 * lost, mixed up or damaged is a miss, and computed again. What the stores throw is a fault of the cache:
 * warned of once, while calls run.
 *
 * Calls that run on workers are remembered from here, as with a cache in memory, and share their work
 * with those of this isolate only.
 *
 * `gc()` drops values where `values` has `delete()` and `entries()`; it reads each value that is wanted,
 * for what that consists of. Other isolates and processes that store meanwhile are known to it by when
 * they have put a value only: the grace period is to be longer than any of their calls. Failures are kept
 * where there are `failures`.
 *
 * Check stores of your own with `checkStores()` of `@quiver/quiver/testing`.
 *
 * @param stores Where values and records are kept; they stay the caller's to close.
 * @returns The cache.
 * @throws {TypeError} When a method is missing.
 *
 * @example A cache in two Maps
 * ```ts
 * import { cacheScope, task } from "@quiver/quiver";
 * import { type CallRecord, createCache } from "@quiver/quiver/caches";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = new Map<string, Uint8Array>();
 * const records = new Map<string, CallRecord>();
 * const cache = createCache({
 *   values: {
 *     get: (digest) => bytes.get(digest),
 *     put: (digest, value) => void bytes.set(digest, value),
 *   },
 *   calls: {
 *     get: (key) => records.get(key),
 *     put: (record) => void records.set(record.key, record),
 *     delete: (key) => records.delete(key),
 *     records: () => [...records.values()],
 *   },
 * });
 * const half = task(import.meta, (n: number) => n / 2, { name: "half" });
 * await cacheScope({ cache }, () => half(8));
 * assertEquals([await cacheScope({ cache }, () => half.load(8)), records.size], [4, 1]);
 * ```
 */
export function createCache(stores: OwnStores): Cache {
  const { delete: drop, entries }: Partial<OwnStores["values"]> = Object(Object(stores).values);
  const sweeps = drop !== undefined || entries !== undefined;
  const rules: OptionRules<OwnStores> = {
    values: withFunctions(sweeps ? ["get", "put", "delete", "entries"] : ["get", "put"]),
    calls: RECORD_STORE,
    failures: {
      ...RECORD_STORE,
      allows: (store) => store === undefined || RECORD_STORE.allows(store),
    },
  };
  for (const [name, { allows, says }] of Object.entries(rules)) {
    const store: unknown = Object(stores)[name];
    if (!allows(store)) throw new TypeError(`Cannot create a cache${says(name, store)}`);
  }
  return new Cache(toStores(stores));
}

const RECORD_STORE = withFunctions(["get", "put", "delete", "records"]);

function combine(type: LayersDescription["type"], caches: readonly Cache[]): Cache {
  for (const cache of caches) {
    if (isCache(cache)) continue;
    throw new TypeError(
      `Cannot combine caches as "${type}": ${typeof cache} is no cache; open one with openBag, ` +
        "or create one with createMemoryCache",
    );
  }
  return new Cache(LAYERED[type](caches.map(({ stores }) => stores)));
}

const LIMIT: OptionRule = {
  allows: (value) => typeof value === "number" && value >= 0,
  says: (name, value) =>
    ` as "${name}" must be a number of at least 0: current value is ${String(value)}`,
  number: true,
};
const POLICIES = ["lru", "cost", "fifo", "random"];
const RULES: OptionRules<LimitOptions> = {
  maxBytes: LIMIT,
  maxItems: LIMIT,
  maxAge: LIMIT,
  gracePeriod: LIMIT,
  policy: {
    allows: (value) => typeof value === "function" || POLICIES.some((policy) => policy === value),
    says: (_, value) =>
      `: the option \`policy\` is one of ${POLICIES.join(", ")} or a function, not ${
        showOption(value)
      }`,
  },
  onWarning: FUNCTION,
};

/**
 * Limits what a cache remembers: with each result that is stored, calls are forgotten until the rest
 * is within the limits.
 *
 * The limits hold whenever no call is being stored, for all handles, workers and processes, up to 64,
 * that store through a cache limited in the same way; whoever stores through the cache itself may exceed them
 * until the next result is stored through a limited one. What is older than `maxAge` is a miss at
 * once. A result that is larger than `maxBytes` is not remembered. The values of a bag may take up to
 * about twice `maxBytes` on disk, and a megabyte: space is given back in portions. Records are not among
 * `maxBytes`: half a kilobyte a call, and where results are tiny that is most of it; set `maxItems`.
 *
 * A stack is limited in all of its caches. What could not be held is refused: `maxBytes` and `maxItems`
 * of a cache that is read-only, or stands on one that is; limit the one that you write to.
 *
 * Which call was used least recently is known of all programs that use the cache, to within 2 seconds for
 * those in other isolates, and to a minute for calls that one of them uses all the time; a call that was
 * never used counts as used when its body ended. A cache of one's own stores knows of the uses in this isolate
 * only. A policy that is a function does not travel to workers: their results are stored by this isolate, and tasks
 * called inside tasks there are not remembered.
 *
 * @param cache The cache; it stays the caller's to close.
 * @param options The limits.
 * @returns A cache with the same content, which can be used wherever a cache can.
 * @throws {TypeError} When an option is unknown or of the wrong type, or the cache cannot be limited.
 * @throws {RangeError} When a limit is no number of at least 0.
 *
 * @example Remember three calls at most
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { limited } from "@quiver/quiver/caches";
 * import { assertEquals } from "@std/assert";
 *
 * const negate = task(import.meta, (n: number) => -n, { name: "negate" });
 * const cache = limited(createMemoryCache(), { maxItems: 3, policy: "lru" });
 * await cacheScope({ cache }, async () => {
 *   for (const n of [1, 2, 3, 1, 4]) await negate(n);
 *   assertEquals(await negate.contains(1), true);
 *   assertEquals(await negate.contains(2), false);
 * });
 * ```
 */
export function limited(cache: Cache, options: LimitOptions): Cache {
  checkCache(cache, "limit a cache as the first argument");
  checkOptions("limit a cache", options, RULES);
  return new Cache(limitStores(cache.stores, options));
}
