/**
 * Stores that keep within limits.
 *
 * An index in memory knows which calls are remembered and what their values take. It is made of the
 * records that are there, in their order, when the first record is put, and follows the changes
 * that others make. When a record is put, calls are evicted until the rest is within the limits: whoever
 * comes last, of all handles and processes that limit one bag, sees the records of all before, so
 * that the limits hold whenever no put is under way. Two that evict at once may evict one more each.
 * Far from the limits not each put looks: a handle may put a 64th of what there is room for before it
 * follows the others again, so that up to 64 of them stay within the limits.
 *
 * *Uses* through this handle are known at once, and those of others from the stores, which keep them
 * (`UseStore`): they are asked for when calls are evicted.
 *
 * The space of what was evicted comes back by sweeps (`ValueSweeper`): whenever what no call needs takes
 * a quarter of `maxBytes`, and a megabyte (`garbage.ts`), the put that made it so much waits for one.
 *
 * @module
 */
import { LateModule } from "../../base/lazy_import.ts";
import type { CallStore, StoreDescription, Stores } from "../stores.ts";
import type { LimitedCalls } from "./limited_calls.ts";
import type { LimitOptions } from "./limits.ts";

const LIMITING = new LateModule(() => import("./limited_calls.ts"));

/**
 * Limits stores.
 *
 * @param limits What they are limited to.
 * @returns Stores with the same content that evict what is too much.
 * @throws {TypeError} When that cannot be done with all of them.
 */
export function limitStores(inner: Stores, limits: LimitOptions): Stores {
  const state = findObstacle(inner, limits);
  if (state !== undefined) throw new TypeError(`Cannot limit this cache: ${state}`);
  const { description: _, ...stores } = inner;
  const description = describe(inner.description, limits);
  const calls = limitCalls(inner, limits);
  const { resultOf } = inner;
  return {
    ...stores,
    calls,
    layers: [inner],
    // How old another record of a call is nobody knows here.
    ...(resultOf !== undefined && limits.maxAge !== undefined && {
      resultOf: (record) => resultOf(record, () => false),
    }),
    ...(description !== undefined && { description }),
  };
}

/** Why calls could not be evicted, or their values not be measured; an age is minded by who looks up. */
function findObstacle(
  stores: Stores,
  { maxBytes = Infinity, maxItems = Infinity }: LimitOptions,
): string | undefined {
  if (maxBytes === Infinity && maxItems === Infinity) return undefined;
  if (stores.readOnly === true) {
    return "it is read-only, so nothing can be forgotten; only `maxAge` can be set for it";
  }
  if (!canForget(stores)) {
    return "a cache beneath it is read-only, where what is forgotten would still be found; limit the " +
      "first one alone, as in stack(limited(first, …), …others)";
  }
  if (stores.calls.feed === undefined) {
    return "its store cannot tell which calls it has";
  }
  const isMeasured = (stores.swept ?? [stores]).every(({ sweeper }) => sweeper !== undefined);
  return maxBytes === Infinity || isMeasured
    ? undefined
    : "its store cannot tell what values take; leave `maxBytes` out, and set `maxItems`";
}

function canForget({ readOnly, layers = [] }: Stores): boolean {
  return readOnly !== true && layers.every(canForget);
}

/** A function cannot travel: then results are stored here, and not by workers. */
function describe(
  inner: StoreDescription | undefined,
  { policy, onWarning: _, ...limits }: LimitOptions,
): StoreDescription | undefined {
  if (inner === undefined || typeof policy === "function") return undefined;
  const limit = { ...limits, ...(policy !== undefined && { policy }) };
  return { type: "limited", limits: limit, stores: inner };
}

/** Limited calls whose code is loaded when they are first used: most programs limit nothing. */
function limitCalls(stores: Stores, limits: LimitOptions): CallStore {
  let calls: LimitedCalls | undefined;
  const load = async (): Promise<LimitedCalls> => {
    const { LimitedCalls } = LIMITING.loaded ?? await LIMITING.load();
    return calls ??= new LimitedCalls(stores, limits);
  };
  return {
    get: (key) => calls === undefined ? load().then((calls) => calls.get(key)) : calls.get(key),
    ...(stores.calls.findOther && {
      findOther: async (key, isWanted) => await (await load()).findOther(key, isWanted),
    }),
    put: async (record, lease) => await (await load()).put(record, lease),
    delete: async (key) => await (await load()).delete(key),
    isForgotten: (key) => stores.calls.isForgotten?.(key) ?? false,
    allRecords: () => stores.calls.allRecords?.() ?? stores.calls.records(),
    async *records(damaged, plan) {
      yield* (await load()).records(damaged, plan);
    },
    feed: () => stores.calls.feed?.() ?? { read: () => [{ type: "reset" }] },
  };
}
