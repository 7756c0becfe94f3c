import { checkIsOptions, checkOptions, FUNCTION } from "../base/check_options.ts";
import { importLater } from "../base/lazy_import.ts";
import { type QuiverWarning, toSafeWarning } from "../base/warning.ts";
import type { CallQuery, CallTemplate } from "../call/call_query.ts";
import type { CallRecord, TaskAddress } from "../call/call_record.ts";
import type { TransferOptions, TransferResult } from "../store/transfer_calls.ts";
import { type Cache, checkCache } from "./cache.ts";

type Calls = typeof import("./tidy.ts");
type Transfer = typeof import("../store/transfer_calls.ts");

/**
 * Calls of a cache that were selected: nothing is looked up before it is asked for, and each time it
 * is looked up anew. Made by {@linkcode query}.
 */
export class CallSelection implements AsyncIterable<CallRecord> {
  readonly #cache: Cache;
  readonly #select: () => AsyncIterable<CallRecord>;
  readonly #whole: CallTemplate | { readonly address: TaskAddress } | undefined;

  /**
   * Selects calls.
   *
   * @param cache The cache that has them.
   * @param select Goes over their records, from the beginning each time it is called.
   * @param whole What they have in common, where that is all: then it tells of calls that run now, too.
   */
  constructor(
    cache: Cache,
    select: () => AsyncIterable<CallRecord>,
    whole?: CallTemplate | { readonly address: TaskAddress },
  ) {
    this.#cache = cache;
    this.#select = select;
    this.#whole = whole;
  }

  /** Goes over the records. */
  [Symbol.asyncIterator](): AsyncIterator<CallRecord> {
    return this.#select()[Symbol.asyncIterator]();
  }

  /**
   * Selects some of these calls.
   *
   * @param matches Tells whether a call is one of them.
   * @returns The calls.
   */
  filter(matches: (record: CallRecord) => boolean): CallSelection {
    const select = this.#select;
    return new CallSelection(this.#cache, async function* () {
      for await (const record of select()) if (matches(record)) yield record;
    });
  }

  /**
   * Selects the first of these calls.
   *
   * @param limit How many.
   * @returns The calls, fewer if there are fewer.
   */
  take(limit: number): CallSelection {
    if (!(limit >= 0)) {
      throw new RangeError(
        `Cannot take calls as the limit must be a number of at least 0: current value is ${limit}`,
      );
    }
    const select = this.#select;
    return new CallSelection(this.#cache, async function* () {
      let taken = 0;
      if (taken >= limit) return;
      for await (const record of select()) {
        yield record;
        if (++taken >= limit) return;
      }
    });
  }

  /**
   * Counts these calls.
   *
   * @returns How many there are.
   */
  async count(): Promise<number> {
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
    return await this.take(1).count() > 0;
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
   * Forgets these calls, so that they run again when they are next asked for. Where they are all that
   * match a template, those that run now are not recorded, as with `cache.evict`.
   *
   * @returns How many were forgotten.
   */
  async evict(): Promise<number> {
    let evicted = 0;
    if (this.#whole !== undefined) {
      const { toMatcher } = await importLater<Calls>("calls");
      this.#cache.evictRunning(toMatcher(this.#whole));
    }
    // First all keys: what is forgotten meanwhile must not move the others.
    const keys = (await Array.fromAsync(this)).map(({ key }) => key);
    for (const key of keys) if (await this.#cache.evict(key)) evicted++;
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
 * Selects calls of a cache: those of a task, of a version, with a tag…
 *
 * A record that turns out to be damaged is passed over with a warning, and costs none of the others.
 *
 * @param cache The cache.
 * @param what A task, what the calls have in common, or a function that tells; all, if not given.
 * @param options Who is told of damaged records.
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
 * await cacheScope({ cache, tags: { project: "argon" } }, () => root(16));
 * const calls = query(cache, { task: root, tags: { project: "argon" } });
 * const { result } = await calls.only();
 * assertEquals(await cache.value(result), { hit: true, value: 4 });
 * assertEquals((await calls.transfer(archive)).copied, 1);
 * assertEquals(await query(archive).count(), 1);
 * ```
 */
export function query(
  cache: Cache,
  what: CallQuery = {},
  options: QueryOptions = {},
): CallSelection {
  checkOptions("query calls", options, { onWarning: FUNCTION });
  const { onWarning } = options;
  checkCache(cache, "query calls as the first argument");
  if (typeof what !== "function") checkIsOptions("query calls", what);
  const whole = "address" in what || typeof what !== "function" ? what : undefined;
  return new CallSelection(cache, async function* () {
    const { toDamagedWarning, toMatcher } = await importLater<Calls>("calls");
    const matches = toMatcher(what);
    const damaged = { count: 0, first: "" };
    const records = "state" in what && what.state === "failed"
      ? await openFailed(cache)
      : cache.stores.calls.records((where) => {
        if (damaged.count++ === 0) damaged.first = where;
      });
    try {
      for await (const record of records) if (matches(record)) yield record;
    } finally {
      if (damaged.count > 0) {
        toSafeWarning(onWarning)(toDamagedWarning(damaged.count, damaged.first));
      }
    }
  }, whole);
}

async function openFailed({ stores }: Cache): Promise<AsyncIterable<CallRecord>> {
  const { failedRecords } = await importLater<typeof import("./keep_failure.ts")>("failures");
  return failedRecords(stores);
}
