import { sleep } from "../base/abortable.ts";
import { checkOptions, SIGNAL, TIMEOUT } from "../base/check_options.ts";
import { endOf } from "../call/call_query.ts";
import type { CallRecord } from "../call/call_record.ts";
import type { RecordChange } from "../disk/stores.ts";
import type { Stores } from "../store/stores.ts";
import type { Digest } from "../value/value.ts";
import { type Cache, checkCache } from "./cache.ts";

/** Something that has become of a call of a cache. */
export type CallChange =
  /** A call was recorded, or once more. */
  | { readonly type: "recorded"; readonly record: CallRecord }
  /** A call has failed, and the failure was kept. */
  | { readonly type: "failed"; readonly record: CallRecord }
  /** A call was forgotten. */
  | { readonly type: "forgotten"; readonly key: Digest };

/** Options of {@linkcode follow}. */
export interface FollowOptions {
  /**
   * How often is looked for changes, in milliseconds: other processes make them, on any file system, and
   * not all of these tell.
   *
   * @default {200}
   */
  interval?: number;
  /** Ends it: the iteration rejects with its reason. */
  signal?: AbortSignal;
}

/**
 * Follows what is recorded in a cache, whichever process does it: from the moment at which the first
 * change is asked for, until the iteration is left.
 *
 * What was recorded before is not gone over. Requires what reading the cache does.
 *
 * @param cache The cache: a bag, a file cache, one in memory, or a stack of such; a SQLite cache that
 * may be written.
 * @param options How often is looked, and what ends it.
 * @returns The changes, in their order.
 * @throws {TypeError} When an option is unknown, or the cache is of a kind that cannot be followed.
 *
 * @example See a call as it is recorded
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { follow } from "@quiver/quiver/caches";
 * import { assertEquals } from "@std/assert";
 *
 * const cache = createMemoryCache();
 * const third = task(import.meta, (n: number) => n / 3, { name: "third" });
 * const changes = follow(cache, { interval: 5 });
 * const first = changes.next();
 * await cacheScope({ cache }, () => third(9));
 * const { value } = await first;
 * assertEquals(value?.type, "recorded");
 * await changes.return();
 * ```
 */
export async function* follow(
  cache: Cache,
  options: FollowOptions = {},
): AsyncGenerator<CallChange, void, void> {
  checkCache(cache, "follow the calls of a cache: the first argument");
  checkOptions("follow calls", options, { interval: TIMEOUT, signal: SIGNAL });
  const { interval = 200, signal } = options;
  const { stores } = cache;
  const { calls } = stores;
  const feed = calls.feed?.();
  if (feed === undefined) {
    throw new TypeError(
      "Cannot follow this cache: it does not tell of changes; follow a part of it",
    );
  }
  // Nothing of what is there already is wanted, and a bag reads none of it before it is asked for.
  for await (const _ of feed.read()) break;
  const failures = await FailureFeed.open(stores);
  const begun = Date.now();
  const told = new Map<Digest, number>();
  while (true) {
    let isWhole = false;
    for await (const change of feed.read()) {
      if (change.type === "reset") isWhole = true;
      else if (change.type === "delete") {
        if (!isWhole) yield { type: "forgotten", key: change.key };
      } else if (isNew(change, calls) && told.get(change.record.key) !== change.record.started) {
        // Where all is told anew, as after a compaction, most of it is old.
        if (isWhole && endOf(change.record) < begun) continue;
        told.set(change.record.key, change.record.started);
        yield { type: "recorded", record: change.record };
      }
    }
    for (const record of await failures.read()) yield { type: "failed", record };
    await sleep(interval, signal);
  }
}

/** Of a signed cache, what somebody else has written is nothing. */
function isNew(change: RecordChange & { type: "put" }, calls: Stores["calls"]): boolean {
  return calls.believes?.(change.record) ?? true;
}

/** Tells of the failures that were kept since the last time; there are few. */
class FailureFeed {
  readonly #stores: Stores;
  #seen: ReadonlySet<string> = new Set();

  private constructor(stores: Stores) {
    this.#stores = stores;
  }

  static async open(stores: Stores): Promise<FailureFeed> {
    const feed = new FailureFeed(stores);
    await feed.read();
    return feed;
  }

  async read(): Promise<CallRecord[]> {
    const records = await this.#stores.failures?.records() ?? [];
    const before = this.#seen;
    const toId = ({ key, started }: CallRecord) => `${key} ${started}`;
    this.#seen = new Set(records.map(toId));
    return records.filter((record) => !before.has(toId(record)));
  }
}
