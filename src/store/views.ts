import {
  type CallQuery,
  type KnownTask,
  type RecordPlan,
  startTimeOf,
  toMatcher,
} from "../call/call_query.ts";
import type { CallRecord } from "../call/call_record.ts";
import type { Digest } from "../value/value.ts";
import { KnownUses } from "./known_uses.ts";
import { showFailures } from "./layered_failures.ts";
import { unionStores } from "./layered_stores.ts";
import type {
  CallFeed,
  CallStore,
  IsWanted,
  Lease,
  MaybePromise,
  StoreDescription,
  Stores,
  TellDamaged,
  ViewDescription,
} from "./stores.ts";

/** Tells which records a view shows. */
type Shows = (record: CallRecord) => boolean;

/**
 * Shows some of the calls of stores, as they are at any moment; nothing can be changed.
 *
 * @param stores The stores.
 * @param query Which calls are shown.
 * @returns The stores; they can travel if those do, and the query is data.
 * @throws {TypeError} When the query has an unknown field.
 */
export function filterStores(stores: Stores, query: CallQuery): Stores {
  const { description: _, ...union } = unionStores([stores]);
  const matches = toMatcher(query);
  // Only what asks for uses pays for them.
  const isOfUses = !("address" in query) && typeof query !== "function" &&
    (query.tags !== undefined || query.lastUsed !== undefined);
  const { uses } = union;
  const shows: Shows = isOfUses && uses !== undefined
    ? (record) => matches(new KnownUses(uses.read()).addTo(record))
    : matches;
  const calls = new ShownCalls(union.calls, shows);
  const failures = showFailures(union, toFailureMatcher(query));
  const others = only(union, shows);
  return { ...union, calls, ...others, ...failures, ...describe(stores, toData(query)) };
}

/**
 * Shows those calls of stores only that were computed since then; what is new is stored there.
 *
 * @param stores The stores.
 * @param since Since when, in milliseconds since 1970.
 * @returns The stores; they can travel if those do.
 */
export function refreshStores(stores: Stores, since: number): Stores {
  const calls = new RefreshedCalls(stores.calls, since);
  const { description: _, layers: __, ...rest } = stores;
  return {
    ...rest,
    calls,
    // What was computed before stands in for nothing.
    ...only(stores, () => false),
    // Those of the millisecond in which the view was made are shown, too.
    ...showFailures(stores, (record) => startTimeOf(record) >= since - 1 - CLOCK_LAG),
    layers: [stores],
    swept: stores.swept ?? [stores],
    namers: stores.namers ?? [stores],
    ...describe(stores, { type: "refreshing", since }),
  };
}

/** Has only what is shown stand in for a result that is lost. */
function only({ resultOf }: Stores, shows: Shows): Pick<Stores, "resultOf"> {
  if (resultOf === undefined) return {};
  return {
    resultOf: (record, isWanted = () => true) =>
      resultOf(record, (other) => shows(other) && isWanted(other)),
  };
}

/** Failures are shown unless the query asks for calls that are done. */
function toFailureMatcher(query: CallQuery): Shows {
  if ("address" in query) return toMatcher({ task: query, state: "failed" });
  if (typeof query === "function") return toMatcher(query);
  return query.state === "done" ? () => false : toMatcher({ ...query, state: "failed" });
}

class ShownCalls implements CallStore {
  readonly #calls: CallStore;
  readonly #shows: Shows;

  constructor(calls: CallStore, shows: Shows) {
    this.#calls = calls;
    this.#shows = shows;
  }

  get(key: Digest): MaybePromise<CallRecord | undefined> {
    const record = this.#calls.get(key);
    return record instanceof Promise
      ? record.then((record) => this.#show(record))
      : this.#show(record);
  }

  async findOther(key: Digest, isWanted: IsWanted): Promise<CallRecord | undefined> {
    return await this.#calls.findOther?.(key, (record) => this.#shows(record) && isWanted(record));
  }

  #show(record: CallRecord | undefined): CallRecord | undefined {
    return record !== undefined && this.#shows(record) ? record : undefined;
  }

  put(record: CallRecord, lease?: Lease): MaybePromise<boolean | void> {
    return this.#calls.put(record, lease);
  }

  delete(key: Digest): MaybePromise<boolean> {
    return this.#calls.delete(key);
  }

  isForgotten(key: Digest): MaybePromise<boolean> {
    return this.#calls.isForgotten?.(key) ?? false;
  }

  async *records(damaged?: TellDamaged, plan?: RecordPlan): AsyncIterable<CallRecord> {
    for await (const record of this.#calls.records(damaged, plan)) {
      if (this.#shows(record)) yield record;
    }
  }

  /** As the interface says: what is not shown is named by its records all the same. */
  allRecords(): Iterable<CallRecord> | AsyncIterable<CallRecord> {
    return this.#calls.allRecords?.() ?? this.#calls.records();
  }
}

/** How far the clocks of isolates are apart, in milliseconds. */
const CLOCK_LAG = 1;

/** The calls that were computed since a moment. Where clocks leave a doubt a call is computed again. */
class RefreshedCalls extends ShownCalls {
  readonly #since: number;
  /** What was put here before the next millisecond had begun. */
  readonly #early: Set<Digest>;

  constructor(calls: CallStore, since: number) {
    const early = new Set<Digest>();
    super(
      calls,
      (record) => {
        const started = startTimeOf(record);
        return early.has(record.key) || (started >= since && started <= Date.now() + CLOCK_LAG);
      },
    );
    this.#since = since;
    this.#early = early;
    const feed = calls.feed?.bind(calls);
    if (feed !== undefined) this.feed = feed;
  }

  /** Limits count all records: all take space. */
  readonly feed?: () => CallFeed;

  override put(record: CallRecord, lease?: Lease): MaybePromise<boolean | void> {
    if (startTimeOf(record) < this.#since) this.#early.add(record.key);
    return super.put(record, lease);
  }
}

type View = { [T in ViewDescription["type"]]: Omit<ViewDescription & { type: T }, "stores"> };

function describe(
  { description: stores }: Stores,
  view: View[keyof View] | undefined,
): { readonly description?: StoreDescription } {
  return stores && view ? { description: { ...view, stores } as ViewDescription } : {};
}

/** A query as another isolate gets it, if it can. */
function toData(query: CallQuery): View["filtered"] | undefined {
  if ("address" in query) return { type: "filtered", query: { task: toKnown(query) } };
  if (typeof query === "function") return undefined;
  const { task: of } = query;
  const task = typeof of === "object" || typeof of === "function" ? { task: toKnown(of) } : {};
  try {
    return { type: "filtered", query: structuredClone({ ...query, ...task }) };
  } catch {
    // A function somewhere inside, or a condition.
    return undefined;
  }
}

/** What of a task travels: how it is found, and what records know it by. */
function toKnown({ address, identity }: KnownTask): KnownTask {
  return identity === undefined ? { address } : { address, identity };
}
