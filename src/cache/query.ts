import { BOOLEAN, checkIsOptions, checkOptions, FUNCTION } from "../base/check_options.ts";
import { importLater } from "../base/lazy_import.ts";
import { type QuiverWarning, toSafeWarning } from "../base/warning.ts";
import type { CallTemplate, KnownTask } from "../call/call_query.ts";
import type { CallRecord } from "../call/call_record.ts";
import type { TransferOptions, TransferResult } from "../store/transfer_calls.ts";
import { type Cache, checkCache } from "./cache.ts";
import type { QueryTemplate, RecordQuery } from "./find_calls.ts";
import type { RecordKey } from "./record_keys.ts";

type Calls = typeof import("./tidy.ts");
type Transfer = typeof import("../store/transfer_calls.ts");

/** Where the calls of a selection come from. */
export interface SelectionSource {
  /** Goes over their records, from the beginning each time it is called. */
  readonly select: () => AsyncIterable<CallRecord>;
  /** Counts them without reading them, where the cache can do that. */
  readonly count?: () => Promise<number | undefined>;
  /** What they have in common, where that is all: then it tells of calls that run now, too. */
  readonly whole?: CallTemplate | KnownTask | undefined;
  /** The tags that all of them were computed or used with, if they were selected by that. */
  readonly tags?: CallTemplate["tags"];
}

/**
 * Calls of a cache that were selected: nothing is looked up before it is asked for, and each time it
 * is looked up anew. Made by {@linkcode query}.
 */
export class CallSelection implements AsyncIterable<CallRecord> {
  readonly #cache: Cache;
  readonly #source: SelectionSource;
  readonly #warn: (warning: QuiverWarning) => void;

  /**
   * Selects calls.
   *
   * @param cache The cache that has them.
   * @param source Where their records come from.
   * @param warn Told of what is passed over; must not throw.
   * @internal
   */
  constructor(
    cache: Cache,
    source: SelectionSource,
    warn: (warning: QuiverWarning) => void,
  ) {
    this.#cache = cache;
    this.#source = source;
    this.#warn = warn;
  }

  /**
   * The cache that has the calls.
   *
   * @internal
   */
  get cache(): Cache {
    return this.#cache;
  }

  /**
   * Told of what is passed over.
   *
   * @internal
   */
  get warn(): (warning: QuiverWarning) => void {
    return this.#warn;
  }

  /** Goes over the records. */
  [Symbol.asyncIterator](): AsyncIterator<CallRecord> {
    return this.#source.select()[Symbol.asyncIterator]();
  }

  #derive(
    select: (records: AsyncIterable<CallRecord>) => AsyncIterable<CallRecord>,
  ): CallSelection {
    const { tags, ...source } = this.#source;
    return new CallSelection(
      this.#cache,
      { select: () => select(source.select()), ...(tags !== undefined && { tags }) },
      this.#warn,
    );
  }

  /**
   * Selects some of these calls.
   *
   * @param matches Tells whether a call is one of them, at once or with a promise.
   * @returns The calls.
   */
  filter(matches: (record: CallRecord) => boolean | Promise<boolean>): CallSelection {
    return this.#derive(async function* (records) {
      for await (const record of records) {
        const answer = matches(record);
        if (answer instanceof Promise ? await answer : answer) yield record;
      }
    });
  }

  /**
   * Selects the first of these calls.
   *
   * @param limit How many.
   * @returns The calls, fewer if there are fewer.
   * @throws {RangeError} When the number is negative or NaN.
   */
  take(limit: number): CallSelection {
    checkNumber("take", limit);
    return this.#derive(async function* (records) {
      let taken = 0;
      if (taken >= limit) return;
      for await (const record of records) {
        yield record;
        if (++taken >= limit) return;
      }
    });
  }

  /**
   * Selects these calls but for the first.
   *
   * @param count How many are left out.
   * @returns The calls.
   * @throws {RangeError} When the number is negative or NaN.
   */
  skip(count: number): CallSelection {
    checkNumber("skip", count);
    return this.#derive(async function* (records) {
      let skipped = 0;
      for await (const record of records) if (skipped++ >= count) yield record;
    });
  }

  /**
   * Selects the first call of those that have something in common.
   *
   * @param by What they have in common: a field, `{ arg: name }` or what a function gives. Objects are the
   * same when their digests are.
   * @returns The calls.
   * @throws {TypeError} When it is none of these, as the calls are looked up.
   */
  unique(by: RecordKey): CallSelection {
    const { stores } = this.#cache;
    return this.#derive(async function* (records) {
      const { checkRecordKey, digestBy, toKeyReader } = await importLater<Calls>("calls");
      checkRecordKey("find unique calls", by);
      const read = toKeyReader(stores, by);
      const seen = new Set<unknown>();
      for await (const record of records) {
        const { size } = seen;
        if (seen.add(digestBy(await read(record))).size > size) yield record;
      }
    });
  }

  /**
   * Orders these calls: all of them are held in memory as they are gone over.
   *
   * @param by What they are ordered by. Numbers, texts and dates have their order; what is absent comes last.
   * Those that are equal stay in their order.
   * @param options Whether the greatest comes first.
   * @returns The calls.
   * @throws {TypeError} When it is nothing to order by, as the calls are looked up.
   */
  sorted(by: RecordKey, options: SortOptions = {}): CallSelection {
    checkOptions("sort calls", options, { reverse: BOOLEAN });
    const { reverse = false } = options;
    const { stores } = this.#cache;
    return this.#derive(async function* (records) {
      const { checkRecordKey, compareKeys, toKeyReader } = await importLater<Calls>("calls");
      checkRecordKey("sort calls", by);
      const read = toKeyReader(stores, by);
      const keyed: { readonly record: CallRecord; readonly key: unknown }[] = [];
      for await (const record of records) keyed.push({ record, key: await read(record) });
      keyed.sort((a, b) => compareKeys(a.key, b.key, reverse));
      for (const { record } of keyed) yield record;
    });
  }

  /**
   * Groups these calls.
   *
   * @typeParam K What they are grouped by.
   * @param by What the calls of a group have in common. Objects are the same when their digests are.
   * @returns The records of each group, in the order in which they came.
   * @throws {TypeError} When it is nothing to group by.
   */
  async groupBy<K = unknown>(
    by: RecordKey | ((record: CallRecord) => K),
  ): Promise<Map<K, CallRecord[]>> {
    const { checkRecordKey, digestBy, toKeyReader } = await importLater<Calls>("calls");
    checkRecordKey("group calls", by);
    const read = toKeyReader(this.#cache.stores, by);
    const keys = new Map<unknown, K>();
    const groups = new Map<K, CallRecord[]>();
    for await (const record of this) {
      // Whoever names the type knows what they are grouped by.
      const own = await read(record) as K;
      const key = keys.getOrInsert(digestBy(own), own);
      groups.getOrInsertComputed(key, () => []).push(record);
    }
    return groups;
  }

  /**
   * Counts these calls. Where the cache knows by itself how many they are, no record is read: in a bag by
   * task, module and version, and in SQLite also by tags and metadata, damaged ones included.
   *
   * @returns How many there are.
   */
  async count(): Promise<number> {
    const known = await this.#source.count?.();
    if (known !== undefined) return known;
    let calls = 0;
    for await (const _ of this) calls++;
    return calls;
  }

  /**
   * Tells whether there are any.
   *
   * @returns Whether there is at least one.
   */
  async any(): Promise<boolean> {
    return await this.first() !== undefined;
  }

  /**
   * Tells whether there are none.
   *
   * @returns Whether there is not even one.
   */
  async empty(): Promise<boolean> {
    return !await this.any();
  }

  /**
   * Gives the first call.
   *
   * @returns Its record, or `undefined` when there is none.
   */
  async first(): Promise<CallRecord | undefined> {
    for await (const record of this) return record;
    return undefined;
  }

  /**
   * Gives the one call that there is.
   *
   * @returns Its record.
   * @throws {RangeError} When there is none, or more than one.
   */
  async only(): Promise<CallRecord> {
    const [record, another] = await Array.fromAsync(this.take(2));
    if (record !== undefined && another === undefined) return record;
    const state = record === undefined ? "no call matches" : "more than one call matches";
    throw new RangeError(`Cannot give the only call: ${state}`);
  }

  /**
   * Finds the call whose body ended last.
   *
   * @returns Its record, or `undefined` when there is no call.
   */
  latest(): Promise<CallRecord | undefined> {
    return this.#best((end, best) => end >= best);
  }

  /**
   * Finds the call whose body ended first.
   *
   * @returns Its record, or `undefined` when there is no call.
   */
  oldest(): Promise<CallRecord | undefined> {
    return this.#best((end, best) => end < best);
  }

  async #best(isBetter: (end: number, best: number) => boolean): Promise<CallRecord | undefined> {
    const { endOf } = await importLater<Calls>("calls");
    let best: CallRecord | undefined;
    for await (const record of this) {
      if (best === undefined || isBetter(endOf(record), endOf(best))) best = record;
    }
    return best;
  }

  /**
   * Goes over the results of these calls, each read when it is asked for. A result that is missing or
   * damaged is passed over with a warning; calls that have failed have none.
   *
   * @returns The results, each the caller's own copy; they can be gone over again.
   */
  results(): AsyncIterable<unknown> {
    const read = () => this.#readResults();
    return { [Symbol.asyncIterator]: read };
  }

  async *#readResults(): AsyncGenerator<unknown> {
    const { CallValues } = await importLater<Calls>("calls");
    let missing = 0;
    let first = "";
    try {
      for await (const record of this) {
        const known = await new CallValues(this.#cache.stores, record).result();
        if (known.state === "there") yield known.value;
        else if (known.state === "unknown" && missing++ === 0) first = record.key;
      }
    } finally {
      const results = missing === 1 ? "the result of a call" : `the results of ${missing} calls`;
      const message =
        `Cannot read ${results}, first ${first}: missing or damaged; such calls run ` +
        "again when they are next asked for";
      if (missing > 0) this.#warn({ message });
    }
  }

  /**
   * Forgets these calls, so that they run again when they are next asked for. Those that were selected by
   * tags, and used with others, too, stay known as calls of these, and are not counted. Where they are all that
   * match a template, those that run now are not recorded, as with `cache.evict`. Of calls that have
   * failed (`state: "failed"`) only the failures are forgotten: a result of before stays known.
   *
   * @returns How many were forgotten.
   */
  async evict(): Promise<number> {
    let evicted = 0;
    if (this.#source.whole !== undefined) {
      const { toMatcher } = await importLater<Calls>("calls");
      this.#cache.evictRunning(toMatcher(this.#source.whole));
    }
    const { readOnly, stores } = this.#cache;
    const { leaveToOthers } = await importLater<Calls>("calls");
    const { tags } = this.#source;
    // First all keys: what is forgotten meanwhile must not move the others.
    const calls = await Array.fromAsync(this, (record) => ({
      key: record.key,
      failed: record.failure !== undefined,
      ...(tags !== undefined && record.failure === undefined && { record }),
    }));
    for (const { key, failed, record } of calls) {
      if (record !== undefined && tags !== undefined && await leaveToOthers(stores, record, tags)) {
        continue;
      }
      // Of a call that has failed, what it had given before stays known.
      const known = failed && !readOnly ? stores.failures?.delete(key) : this.#cache.evict(key);
      if (await known) evicted++;
    }
    return evicted;
  }

  /**
   * Copies or moves these calls, with their results and arguments, into another cache, which keeps
   * what it knows already. A call is forgotten here only once the other cache has it: a program that
   * dies in between has lost none, and can do the same again.
   *
   * @param to The other cache.
   * @param options Whether what is there is replaced, and whether calls are moved.
   * @returns How many were copied, how many the other cache has kept its own of, and how many could
   * not be copied as their result is missing or damaged.
   * @throws {TypeError} When a cache is read-only that is to be changed, when calls are to be moved
   * within one cache, and when an option is unknown.
   *
   * @example Move calls to another cache
   * ```ts
   * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
   * import { query } from "@quiver/quiver/caches";
   * import { assertEquals } from "@std/assert";
   *
   * const [cache, archive] = [createMemoryCache(), createMemoryCache()];
   * const log2 = task(import.meta, (n: number) => Math.log2(n), { name: "log2" });
   * await cacheScope({ cache }, () => log2(8));
   * const moved = await query(cache, log2).transfer(archive, { pop: true });
   * assertEquals(moved, { copied: 1, kept: 0, failed: 0 });
   * assertEquals([await query(cache).count(), await query(archive).count()], [0, 1]);
   * ```
   */
  async transfer(to: Cache, options: TransferOptions = {}): Promise<TransferResult> {
    checkCache(to, "transfer calls as the first argument");
    const { transferCalls } = await importLater<Transfer>("transfer");
    return await transferCalls(this, this.#cache.stores, to.stores, options);
  }
}

/** Options of {@linkcode CallSelection.sorted}. */
export interface SortOptions {
  /**
   * Whether the greatest comes first.
   *
   * @default {false}
   */
  reverse?: boolean;
}

function checkNumber(action: string, count: number): void {
  if (count >= 0) return;
  const name = action === "take" ? "limit" : "count";
  throw new RangeError(
    `Cannot ${action} calls as the ${name} must be a number of at least 0: current value is ${count}`,
  );
}

/** Options of {@linkcode query}. */
export interface QueryOptions {
  /**
   * Told once of each look-up that passed over damaged records; if nobody is told, a line is
   * written to standard error.
   *
   * @default {a line on standard error}
   */
  onWarning?: (warning: QuiverWarning) => void;
}

/**
 * Selects calls of a cache: those of a task, of a version, with a tag, with an argument…
 *
 * A record that turns out to be damaged is passed over with a warning, and costs none of the others. So
 * is a call of which an argument or result is asked for by a condition or function, and is not stored.
 * SQLite, which looks up by task, only tells of damaged records of that task.
 *
 * @param cache The cache.
 * @param what A task, what the calls have in common, or a function that tells; all, if not given.
 * @param options Who is told of what is passed over.
 * @returns The calls, looked up when they are asked for, and each time anew.
 * @throws {TypeError} When an option is unknown; and when a field of the template is unknown, as the
 * calls are looked up.
 *
 * @example Find a call, and keep a copy of it elsewhere
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { query } from "@quiver/quiver/caches";
 * import { assertEquals } from "@std/assert";
 *
 * const [cache, archive] = [createMemoryCache(), createMemoryCache()];
 * const root = task(import.meta, (n: number) => Math.sqrt(n), { name: "root" });
 * await cacheScope({ cache, tags: { project: "argon" } }, () => Promise.all([root(16), root(9)]));
 * const calls = query(cache, { task: root, tags: { project: "argon" }, args: { n: (n) => n > 9 } });
 * const { result } = await calls.only();
 * assertEquals(await cache.value(result), { hit: true, value: 4 });
 * assertEquals((await calls.transfer(archive)).copied, 1);
 * assertEquals(await Array.fromAsync(query(archive, root).results()), [4]);
 * ```
 */
export function query(
  cache: Cache,
  what: RecordQuery = {},
  options: QueryOptions = {},
): CallSelection {
  checkOptions("query calls", options, { onWarning: FUNCTION });
  checkCache(cache, "query calls as the first argument");
  if (typeof what !== "function") checkIsOptions("query calls", what);
  const warn = toSafeWarning(options.onWarning);
  const open = async () => {
    const { createFinder } = await importLater<Calls>("calls");
    return createFinder(cache.stores, what, warn);
  };
  return new CallSelection(cache, {
    async *select() {
      yield* (await open()).find();
    },
    count: async () => await (await open()).count(),
    whole: toWhole(what),
    ...toTags(what),
  }, warn);
}

function toTags(what: RecordQuery): Pick<SelectionSource, "tags"> {
  if ("address" in what || typeof what === "function" || what.tags === undefined) return {};
  return { tags: what.tags };
}

/** What tells of calls that run now, too: they have no result yet, and have not ended. */
function toWhole(what: RecordQuery): SelectionSource["whole"] {
  if ("address" in what) return what;
  if (typeof what === "function") return undefined;
  const { args, result, size, state, duration, lastUsed }: QueryTemplate = what;
  const needs = [args, result, size, state, duration, lastUsed];
  return needs.some((one) => one !== undefined) ? undefined : what;
}
