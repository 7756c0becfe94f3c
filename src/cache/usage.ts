import type { CallRecord } from "../call/call_record.ts";
import type { ValueSweeper } from "../disk/stores.ts";
import type { ValueStore } from "../store/stores.ts";
import type { Digest } from "../value/value.ts";
import { type Cache, checkCache } from "./cache.ts";

/** What the calls of a task take. */
export interface TaskUsage {
  /** The task's name. */
  readonly task: string;
  /** What its module is known by. */
  readonly module: string;
  /** How many calls there are. */
  readonly calls: number;
  /** How many values and parts of values they name, each once. */
  readonly values: number;
  /** What these take as they are stored, in bytes. */
  readonly bytes: number;
  /** What of that calls of other tasks name, too, in bytes: forgetting these calls alone frees none of it. */
  readonly shared: number;
}

/** What a cache takes, as far as values go. */
export interface CacheUsage {
  /** The tasks, those that take most first. */
  readonly tasks: readonly TaskUsage[];
  /** What all values that calls name take, in bytes, each counted once. */
  readonly bytes: number;
  /**
   * The values and parts of values that no call names: a collection drops them, but for those that are
   * younger than its grace period. Absent where the cache cannot tell.
   */
  readonly garbage?: {
    /** How many there are. */
    readonly values: number;
    /** What they take, in bytes. */
    readonly bytes: number;
  };
  /** How many values that calls name are missing or damaged. */
  readonly missing: number;
}

/**
 * Tells what the calls of each task take on disk, and how much belongs to no call any more. All records
 * are gone over; values are not read.
 *
 * @param cache A cache that can tell what its values take: a bag, or what stands on one.
 * @returns The usage.
 * @throws {TypeError} When it is no cache, or cannot tell.
 *
 * @example Which task fills the bag?
 * ```ts
 * import { cacheScope, openBag, task } from "@quiver/quiver";
 * import { usage } from "@quiver/quiver/caches";
 * import { assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempDir();
 * const zeros = task(import.meta, (n: number) => new Float64Array(n), { name: "zeros" });
 * {
 *   await using bag = await openBag(path);
 *   await cacheScope({ cache: bag }, () => zeros(1000));
 *   const { tasks: [first] } = await usage(bag);
 *   assertEquals([first?.task, first?.calls], ["zeros", 1]);
 *   assertEquals((first?.bytes ?? 0) > 8000, true);
 * }
 * await Deno.remove(path, { recursive: true });
 * ```
 */
export async function usage(cache: Cache): Promise<CacheUsage> {
  checkCache(cache, "tell what a cache takes: the first argument");
  const { stores } = cache;
  const swept = (stores.swept ?? [stores]).flatMap(({ sweeper, values }) =>
    sweeper === undefined ? [] : { sweeper, values }
  );
  if (swept.length === 0) {
    throw new TypeError("Cannot tell what this cache takes: it does not know; ask a part of it");
  }
  const count = new UsageCount(swept);
  const { calls, failures } = stores;
  const records = calls.allRecords?.() ?? calls.records();
  // A promise for each record of a store that answers at once would cost more than the rest.
  if (Symbol.iterator in records) { for (const record of records) count.add(record); }
  else for await (const record of records) count.add(record);
  for (const { args } of await failures?.records() ?? []) count.addUnnamed(args);
  return count.toUsage();
}

/** What is counted of one task. */
interface TaskCount {
  readonly task: string;
  readonly module: string;
  calls: number;
  values: number;
  bytes: number;
  shared: number;
}

/** One value: what it takes, and who names it. */
interface ValueCount {
  readonly bytes: number;
  readonly parts: readonly Digest[];
  /** The task that was the first to name it, or all that do. */
  tasks: TaskCount | Set<TaskCount> | undefined;
}

/** Stores whose values can be told of. */
interface SweptStores {
  readonly sweeper: ValueSweeper;
  readonly values: ValueStore;
}

class UsageCount {
  readonly #stores: readonly SweptStores[];
  readonly #tasks = new Map<string, TaskCount>();
  readonly #values = new Map<Digest, ValueCount>();
  #bytes = 0;
  #missing = 0;

  constructor(stores: readonly SweptStores[]) {
    this.#stores = stores;
  }

  add({ task, module, result, args }: CallRecord): void {
    const counted = this.#tasks.getOrInsertComputed(`${module}\n${task}`, () => {
      return { task, module, calls: 0, values: 0, bytes: 0, shared: 0 };
    });
    counted.calls++;
    this.#name(result, counted);
    for (const { value } of args) if (value !== undefined) this.#name(value, counted);
  }

  /** Counts what kept failures name, which belongs to no call that is known. */
  addUnnamed(args: CallRecord["args"]): void {
    for (const { value } of args) if (value !== undefined) this.#find(value);
  }

  #name(digest: Digest, task: TaskCount): void {
    const value = this.#find(digest);
    if (value === undefined || isNamedBy(value, task)) return;
    task.values++;
    task.bytes += value.bytes;
    if (value.tasks === undefined) value.tasks = task;
    else {
      task.shared += value.bytes;
      if (!(value.tasks instanceof Set)) {
        value.tasks.shared += value.bytes;
        value.tasks = new Set([value.tasks]);
      }
      value.tasks.add(task);
    }
    for (const part of value.parts) this.#name(part, task);
  }

  #find(digest: Digest): ValueCount | undefined {
    const known = this.#values.get(digest);
    if (known !== undefined) return known;
    for (const { sweeper } of this.#stores) {
      const found = sweeper.describe(digest);
      if (found === undefined) continue;
      const value = { ...found, tasks: undefined };
      this.#values.set(digest, value);
      this.#bytes += value.bytes;
      for (const part of value.parts) this.#find(part);
      return value;
    }
    this.#missing++;
    return undefined;
  }

  toUsage(): CacheUsage {
    const garbage = this.#countGarbage();
    return {
      tasks: [...this.#tasks.values()].sort((a, b) => b.bytes - a.bytes),
      bytes: this.#bytes,
      ...(garbage !== undefined && { garbage }),
      missing: this.#missing,
    };
  }

  #countGarbage(): CacheUsage["garbage"] {
    const garbage = new Map<Digest, number>();
    for (const { sweeper, values } of this.#stores) {
      if (values.matching === undefined) return undefined;
      for (const digest of values.matching("")) {
        if (!this.#values.has(digest)) garbage.set(digest, sweeper.describe(digest)?.bytes ?? 0);
      }
    }
    return { values: garbage.size, bytes: garbage.values().reduce((a, b) => a + b, 0) };
  }
}

function isNamedBy({ tasks }: ValueCount, task: TaskCount): boolean {
  return tasks === task || (tasks instanceof Set && tasks.has(task));
}
