import { sharedByCopies } from "../base/ambient.ts";
import { checkOptions, FUNCTION, type OptionRules } from "../base/check_options.ts";
import { InstanceError } from "../base/errors.ts";
import type { CallRecord, Json, TaskAddress } from "../call/call_record.ts";
import type { Digest } from "../value/value.ts";
import {
  type CacheStatistics,
  type CallFeed,
  type Description,
  type Found,
  type Lease,
  type LeaseStore,
  type MaybePromise,
  type StoreDescription,
  type Stores,
  type SweepResult,
  toPaths,
  type UseSet,
  type UseStore,
  type WaitBoard,
  withoutKeys,
} from "../store/stores.ts";
import { createMemoryStores, createVoidStores } from "../store/memory_stores.ts";
import type { CallTemplate } from "../call/call_query.ts";
import type { NdArray, NumberArray } from "../value/array_shape.ts";
import { importLater, LateModule } from "../base/lazy_import.ts";
import { makeInstances } from "../value/class_registry.ts";
import type { FileDigests } from "../value/file/file_digests.ts";
import type { Warn } from "../base/warning.ts";
import type { Sharing } from "./flights.ts";
import type { GcOptions } from "./tidy.ts";
import type { RekeyResult } from "../store/rekey.ts";

/** What Quiver collects of calls by itself, for their records. */
export type CollectorName = "runtime" | "environment" | "git";

/** The names of what Quiver collects by itself. */
export const COLLECTOR_NAMES: readonly CollectorName[] = ["runtime", "environment", "git"];

/** Makes a value ready to be stored. */
export type EncodeValue = typeof import("../value/codec/encode_value.ts").encodeValue;

/** Loaded with the first value: a worker that stores nothing never pays for the codec. */
const ENCODING = new LateModule(() => import("../value/codec/encode_value.ts"));

/** How calls share the work in a cache of this isolate, and where that has its leases. */
interface PlacedSharing {
  readonly place: string | LeaseStore;
  readonly sharing: WeakRef<Sharing>;
}

/** Those of all caches: what is opened twice, or stands on another, may be asked to forget a call. */
const SHARINGS: Set<PlacedSharing> = sharedByCopies("sharings", () => new Set<PlacedSharing>());

function sharingsAt(leases: LeaseStore): Sharing[] {
  const found: Sharing[] = [];
  for (const placed of SHARINGS) {
    const sharing = placed.sharing.deref();
    if (sharing === undefined) SHARINGS.delete(placed);
    else if (placed.place === (leases.place ?? leases)) found.push(sharing);
  }
  return found;
}

/** Who computes calls that are recorded in stores, or in those that they stand on. */
function leasesOf({ leases, layers = [], readOnly = false }: Stores): LeaseStore[] {
  if (readOnly) return [];
  return [...new Set([leases, ...layers.flatMap(leasesOf)])];
}

/** Names the method of tasks that prepares a call in a cache. */
export const preparingSymbol: unique symbol = Symbol.for("quiver.preparing");

/**
 * A call of a task.
 *
 * @typeParam A The task's arguments.
 * @typeParam R What the task returns.
 */
export interface PreparableCall<A extends readonly unknown[], R> {
  /** The task. */
  readonly task: {
    /** How a worker finds it. */
    readonly address: TaskAddress;
    /** Gives the remembered result of a call. */
    load(...args: A): Promise<R>;
  };
  /** The arguments. */
  readonly args: Readonly<A>;
}

/**
 * A call that somebody computes without its task, between two moments: its arguments are stored, and its
 * result is not there yet. Made by {@linkcode Cache.prepare}.
 *
 * Whoever asks for the call meanwhile waits, so dispose it: what was not committed is abandoned then.
 *
 * @typeParam R The result.
 */
export interface PreparedCall<R = unknown> extends AsyncDisposable {
  /** The key of the call. */
  readonly key: Digest;
  /**
   * Stores the result: from then on the call is known.
   *
   * @param result The result.
   * @throws {QuiverError} When the call was committed or abandoned before, or nothing can be stored.
   */
  commit(result: R): Promise<void>;
  /** Lets go of the call without a result, unless it was committed; may be called twice. */
  abandon(): Promise<void>;
  /** The same as `abandon`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** This run of the program, by which the uses of calls are known. */
export const RUN: string = sharedByCopies("run", () => crypto.randomUUID().slice(0, 8));

/** Who asks a cache for a call. */
export interface CacheUser {
  /** The tags of the scope. */
  readonly tags: { readonly [name: string]: Json };
  /**
   * The run of the program.
   *
   * @default {that which has started this isolate}
   */
  readonly run?: string;
}

/** The clock is looked at for the first of so many uses. */
const CLOCK_USES = 64;

/** Uses are so many in a millisecond, where nobody has looked at the clock: more than there are. */
const TICKS = 4096;

/** So many uses are noted before they go to the store. */
const MOST_NOTES = 2 ** 16;

/** The uses of calls that the store has not asked for yet. A hit pays for one line in a Map. */
class UseNotes {
  readonly #uses: UseStore;
  readonly #take = (): readonly UseSet[] => this.#drain();
  #sets = new Map<CacheUser["tags"], UseSet & { readonly calls: Map<Digest, number> }>();
  #tags: CacheUser["tags"] | undefined;
  #calls = new Map<Digest, number>();
  /** When those began that are noted, in milliseconds since 1970. */
  #began = 0;
  /** How many ticks that is ago: small numbers, as a Map has them at no cost. */
  #ticks = 0;
  /** What the steady clock lacks to be the time; kept within what the wall clock says. */
  #origin = performance.timeOrigin;
  #left = 0;
  #noted = 0;

  constructor(uses: UseStore) {
    this.#uses = uses;
  }

  add(key: Digest, { tags, run }: CacheUser): void {
    if (--this.#left < 0) this.#look();
    if (tags !== this.#tags) this.#enter(tags, run);
    this.#calls.set(key, ++this.#ticks);
  }

  /** Has the next use be known by the clock: what comes before it is to be older. */
  lookAtClock(): void {
    this.#left = 0;
  }

  #look(): void {
    this.#noted += CLOCK_USES;
    if (this.#noted > MOST_NOTES) this.#uses.add(this.#drain());
    this.#left = CLOCK_USES - 1;
    // As records do: the wall clock says which millisecond it is, the steady one goes on between.
    const [wall, steady] = [Date.now(), performance.now()];
    const now = Math.min(Math.max(this.#origin + steady, wall), wall + 1 - 1 / TICKS);
    this.#origin = now - steady;
    if (this.#sets.size === 0) {
      this.#began = Math.max(now, this.#began + this.#ticks / TICKS);
      this.#ticks = 0;
      this.#uses.expect(this.#take);
    }
    this.#ticks = Math.max(this.#ticks, Math.floor((now - this.#began) * TICKS));
  }

  #enter(tags: CacheUser["tags"], run = RUN): void {
    this.#tags = tags;
    this.#calls =
      this.#sets.getOrInsertComputed(tags, () => ({ tags, run, calls: new Map() })).calls;
  }

  #drain(): readonly UseSet[] {
    const toTime = (ticks: number) => this.#began + ticks / TICKS;
    const sets = Array.from(this.#sets.values(), ({ tags, run, calls }): UseSet => {
      for (const [key, ticks] of calls) calls.set(key, toTime(ticks));
      return { tags, run, calls };
    });
    this.#sets = new Map();
    this.#tags = undefined;
    this.#left = 0;
    this.#noted = 0;
    return sets;
  }
}

/** Asked whether a record that was found counts. */
export interface RecordJudge {
  /**
   * Tells whether the result of a call is as good as a new one.
   *
   * @param record What is known of the call.
   * @returns Whether it is, at once if possible.
   */
  admits(record: CallRecord): MaybePromise<boolean>;
  /** Whether the record that was admitted last is to be computed anew all the same. */
  readonly stale?: boolean;
}

/**
 * Tells how long ago the body of a call ended.
 *
 * @returns Milliseconds; negative when a clock was ahead, NaN when the record does not tell.
 */
export function ageOf({ wall, started, duration }: CallRecord): number {
  return Date.now() - (wall ?? started + duration);
}

/** For how long, and whether at all, results of a task count. */
export interface Validity {
  /** For how long, in milliseconds. */
  readonly expiresAfter?: number;
  /** For how long they are given all the same when they have expired, in milliseconds. */
  readonly staleWhileRevalidate?: number;
  /** Tells of a record whether it counts. */
  readonly validate?: (record: CallRecord) => MaybePromise<boolean>;
  /** Whether none does. */
  readonly refresh?: boolean;
}

/** How far ahead of this clock a call may have ended that is taken for one of a moment ago, in ms. */
const CLOCK_TOLERANCE = 10;

/** Options of {@linkcode RecordCheck}. */
interface RecordCheckOptions {
  /** What the call is named in messages. */
  readonly name: string;
  /** Told what `validate` throws. */
  readonly warn: Warn;
  /** How long results count; for ever, if not given. */
  readonly validity?: Validity | undefined;
}

/** Which records count for one call. */
interface AskedRecord {
  /** Only those whose body began at this or later, in milliseconds since 1970. */
  readonly since?: number;
  /** Not that whose body began just then. */
  readonly rejected?: number;
}

/** Tells which records of a task count. */
export class RecordCheck implements RecordJudge {
  readonly #options: RecordCheckOptions;
  readonly #call: AskedRecord;
  readonly #next: RecordJudge | undefined;
  #stale = false;
  #rejected: number | undefined;

  /**
   * Creates a check.
   *
   * @param call Which records count for the call.
   * @param next Shown those that count; it may also be given what is stale.
   */
  constructor(call: AskedRecord, options: RecordCheckOptions, next?: RecordJudge) {
    this.#call = call;
    this.#options = options;
    this.#next = next;
  }

  /** Makes a check where there is something to check. */
  static of(
    call: AskedRecord,
    options: RecordCheckOptions,
    next?: RecordJudge,
  ): RecordCheck | undefined {
    const { since, rejected } = call;
    return since === undefined && rejected === undefined && options.validity === undefined
      ? undefined
      : new RecordCheck(call, options, next);
  }

  /** When the body began whose result does not count, if one was found. */
  get rejected(): number | undefined {
    return this.#rejected;
  }

  /** Whether the record that counted has expired, and is given while a new one is made. */
  get stale(): boolean {
    return this.#stale;
  }

  /** As the interface says. */
  admits(record: CallRecord): MaybePromise<boolean> {
    const admitted = this.#admits(record);
    const note = (admitted: boolean): boolean => {
      if (!admitted) this.#rejected ??= record.started;
      return admitted;
    };
    return typeof admitted === "boolean" ? note(admitted) : admitted.then(note);
  }

  #admits(record: CallRecord): MaybePromise<boolean> {
    const age = ageOf(record);
    const { since, rejected } = this.#call;
    if (record.started === rejected) return false;
    // A record from the future says nothing of when it began.
    if (since !== undefined && !(record.started >= since && age >= -CLOCK_TOLERANCE)) return false;
    const { expiresAfter = Infinity, refresh = false, validate, staleWhileRevalidate = 0 } =
      this.#options.validity ?? {};
    const lasts = this.#next === undefined ? expiresAfter : expiresAfter + staleWhileRevalidate;
    // Whose clock was ahead by more than results count for counts as expired: else it never would be.
    if (refresh || !(age <= lasts && -age <= expiresAfter)) return false;
    this.#stale = age > expiresAfter;
    const valid = validate === undefined || this.#ask(validate, record);
    if (!(valid instanceof Promise)) return valid && (this.#next?.admits(record) ?? true);
    return valid.then((valid) => valid && (this.#next?.admits(record) ?? true));
  }

  /** What cannot be told counts as not valid: then the call runs. */
  #ask(validate: NonNullable<Validity["validate"]>, record: CallRecord): MaybePromise<boolean> {
    const { name, warn } = this.#options;
    const failed = (cause: unknown): boolean => {
      warn(
        `Cannot validate a result of "${name}": \`validate\` threw; the call runs`,
        cause,
        false,
      );
      return false;
    };
    try {
      // A function without types may return anything.
      const valid: unknown = validate(record);
      if (typeof valid !== "object" || valid === null || !("then" in valid)) return Boolean(valid);
      return Promise.resolve(valid).then(Boolean, failed);
    } catch (cause) {
      return failed(cause);
    }
  }
}

/**
 * What remembers calls: a store of values and a store of records, taken together.
 *
 * Tasks use the cache of their scope by themselves; these methods are for looking at it.
 *
 * @example Look at what was remembered
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { assert } from "@std/assert";
 *
 * const double = task(import.meta, (n: number) => 2 * n, { name: "double" });
 * const cache = createMemoryCache();
 * await cacheScope({ cache }, () => double(21));
 * const key = await double.digest(21);
 * assert(await cache.contains(key));
 * assert((await cache.lookup(key)).hit);
 * ```
 */
export class Cache {
  readonly #stores: Stores;
  readonly #notes: UseNotes | undefined;
  #sharing: Sharing | undefined;
  #fileDigests: FileDigests | undefined;
  #id: string | undefined;
  #hits = 0;
  #misses = 0;

  /**
   * Creates a cache on stores.
   *
   * @param stores Where its data is kept.
   */
  constructor(stores: Stores) {
    this.#stores = stores;
    const { uses, readOnly = false } = stores;
    this.#notes = uses === undefined || readOnly ? undefined : new UseNotes(uses);
  }

  /**
   * Tells caches apart; the same for all isolates that have opened the same bag.
   *
   * @internal
   */
  get id(): string {
    const { description } = this.#stores;
    return this.#id ??= description === undefined ? crypto.randomUUID() : toPaths(description);
  }

  /** How another isolate opens the same cache; `undefined` when none can, as with memory. */
  get description(): Description | undefined {
    const { description } = this.#stores;
    return description && withoutKeys(description);
  }

  /**
   * The same with the signing keys, which go to workers and nowhere else.
   *
   * @internal
   */
  get secretDescription(): StoreDescription | undefined {
    return this.#stores.description;
  }

  /** Whether the cache answers, but remembers nothing new. */
  get readOnly(): boolean {
    return this.#stores.readOnly ?? false;
  }

  /**
   * How calls share the work; made by the first that runs, as next to no worker has one.
   *
   * @param create Makes it.
   * @returns The one of this cache.
   *
   * @internal
   */
  sharing(create: (board: WaitBoard | undefined) => Sharing): Sharing {
    if (this.#sharing === undefined) {
      const { leases } = this.#stores;
      this.#sharing = create(leases.board);
      SHARINGS.add({ place: leases.place ?? leases, sharing: new WeakRef(this.#sharing) });
    }
    return this.#sharing;
  }

  /**
   * What files were when they were hashed for keys in this cache; made by the first that asks.
   *
   * @param create Makes it.
   * @returns The one of this cache.
   *
   * @internal
   */
  fileDigests(create: (stores: Stores) => FileDigests): FileDigests {
    return this.#fileDigests ??= create(this.#stores);
  }

  /**
   * Looks up the result of a call. A hit needs the record *and* the value.
   *
   * @param key The key of the call.
   * @returns The result as the caller's own copy, or a miss. One with an instance of a registered class
   * whose data is of another version is a miss.
   * @throws {InstanceError} When an instance in it cannot be made, as its class is not registered here.
   */
  lookup(key: Digest): Found<unknown> | Promise<Found<unknown>> {
    return this.find(key);
  }

  /**
   * Looks up the result of a call, if its record counts.
   *
   * @param judge Tells whether it does; any does, if not given.
   *
   * @internal
   */
  find(key: Digest, judge?: RecordJudge): MaybePromise<Found<unknown>> {
    const record = this.#stores.calls.get(key);
    if (record instanceof Promise) return record.then((record) => this.#judge(record, judge));
    return this.#judge(record, judge);
  }

  /**
   * Looks up what is known of a call.
   *
   * @param key The key of the call.
   * @returns The record with its uses, or `undefined`.
   */
  record(key: Digest): CallRecord | undefined | Promise<CallRecord | undefined> {
    const record = this.#stores.calls.get(key);
    const sets = this.#stores.uses?.read() ?? [];
    if (sets.length === 0) return record;
    return importLater<typeof import("./tidy.ts")>("calls").then(async ({ KnownUses }) => {
      const known = await record;
      return known && new KnownUses(sets).addTo(known);
    });
  }

  /**
   * Tells whether a call would be a hit.
   *
   * @param key The key of the call.
   * @returns Whether record and value are there, and instances in it can be made here.
   */
  async contains(key: Digest): Promise<boolean> {
    return await isHit(() => this.lookup(key));
  }

  /**
   * Goes over the records of all calls.
   *
   * @returns The records, each key once.
   */
  records(): Iterable<CallRecord> | AsyncIterable<CallRecord> {
    return this.#stores.calls.records();
  }

  /**
   * Opens a feed of the records, whoever changes them: each `read()` gives what has changed since the one
   * before. The first time, and whenever that cannot be told, it is a reset and then all records; who
   * wants only what is new, as it comes, calls `follow()` of `@quiver/quiver/caches`.
   *
   * @returns The feed; `undefined` where the cache cannot tell.
   *
   * @example See what is new
   * ```ts
   * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const cache = createMemoryCache();
   * const triple = task(import.meta, (n: number) => 3 * n, { name: "triple" });
   * const feed = cache.feed();
   * assertEquals(await Array.fromAsync(feed?.read() ?? []), [{ type: "reset" }]);
   * await cacheScope({ cache }, () => triple(5));
   * const changes = await Array.fromAsync(feed?.read() ?? []);
   * assertEquals(changes.map(({ type }) => type), ["put"]);
   * ```
   */
  feed(): CallFeed | undefined {
    return this.#stores.calls.feed?.();
  }

  /**
   * Reads a stored value by its digest.
   *
   * @param digest The digest of the value.
   * @returns The value as the caller's own copy, or a miss.
   * @throws {InstanceError} When an instance of a class in it cannot be made, as that is not registered
   * here, or in another version.
   */
  value(digest: Digest): Found<unknown> | Promise<Found<unknown>> {
    const found = this.#stores.values.get(digest);
    return found instanceof Promise ? found.then(toOwn) : toOwn(found);
  }

  /**
   * Reads a stored value, or only a part of it: large arrays beside the path are not read.
   *
   * The steps of a path are keys of objects, indices of arrays and keys of Maps, with `/` between
   * them. In a step `~1` stands for `/`, `~0` for `~` and `~e` for the empty key; `~#3` is the entry
   * number 3 of a Map or Set, whatever its key.
   *
   * A bag gives pieces of a value; other caches, and signed ones, whose digests are those of whole
   * values, read all of it.
   *
   * @param digest The digest of the value, such as `record.result`.
   * @param path Where in the value; the whole value if empty.
   * @returns What is there, as the caller's own copy.
   * @throws {CacheMissError} If the value is not in the cache, or is damaged.
   * @throws {RangeError} If there is no such path; the message names the first step that is missing.
   *
   * @example Read a part of a value
   * ```ts
   * import { openBag } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const path = await Deno.makeTempDir();
   * {
   *   await using bag = await openBag(path);
   *   const digest = await bag.putValue({ steps: [{ at: 0.5 }], grid: new Float64Array(100_000) });
   *   assertEquals(await bag.read(digest, "steps/0/at"), 0.5);
   * }
   * await Deno.remove(path, { recursive: true });
   * ```
   */
  async read(digest: Digest, path: string = ""): Promise<unknown> {
    const { findSource, readStored } = await importReading();
    return readStored(await findSource(this.#stores, digest), digest, path);
  }

  /**
   * Reads a part of an array, and of a bag not the rest of it. Other caches, and signed ones, whose
   * digests are those of whole values, read all of it; and so does a bag the first time, of what is not
   * sealed yet.
   *
   * @param place The digest of an array, or that of a value and the path of the array in it, as in
   * {@linkcode Cache.read}: a typed array, or an n-dimensional array `{ data, shape }`.
   * @param ranges For each dimension `[start, end]`, the end left out; dimensions without a range
   * are taken whole.
   * @returns A typed array; of an array with two dimensions or more `{ data, shape }`.
   * @throws {CacheMissError} If the array is not in the cache, or what was read of it is damaged.
   * @throws {TypeError} If there is no array of numbers.
   * @throws {RangeError} If there is no such path, or a range is outside of the array.
   *
   * @example Read a column of a matrix
   * ```ts
   * import { openBag } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const path = await Deno.makeTempDir();
   * {
   *   await using bag = await openBag(path);
   *   const data = Float64Array.from({ length: 1_000_000 }, (_, i) => i);
   *   const digest = await bag.putValue({ data, shape: [1000, 1000] });
   *   assertEquals(await bag.slice(digest, [[10, 12], [3, 4]]), {
   *     data: Float64Array.of(10_003, 11_003),
   *     shape: [2, 1],
   *   });
   * }
   * await Deno.remove(path, { recursive: true });
   * ```
   */
  async slice(
    place: Digest | { readonly digest: Digest; readonly path: string },
    ranges: readonly (readonly [start: number, end: number])[],
  ): Promise<NumberArray | NdArray> {
    const { findSource, sliceStored } = await importReading();
    const { digest, path } = typeof place === "string" ? { digest: place, path: "" } : place;
    return sliceStored(await findSource(this.#stores, digest), digest, path, ranges);
  }

  /**
   * Stores a value under its digest.
   *
   * @param value The value.
   * @param root What the value is called in errors.
   * @returns The digest.
   * @throws {IndigestibleError} When the value cannot be stored.
   */
  putValue(value: unknown, root: string = "value"): Digest | Promise<Digest> {
    const encode = this.encoder;
    if (encode === undefined) return this.loadEncoder().then(() => this.putValue(value, root));
    const encoded = encode(value, { root });
    const stored = this.#stores.values.put(encoded);
    return stored instanceof Promise ? stored.then(() => encoded.digest) : encoded.digest;
  }

  /**
   * What makes values ready to be stored, once it is loaded.
   *
   * @internal
   */
  get encoder(): EncodeValue | undefined {
    return ENCODING.loaded?.encodeValue;
  }

  /**
   * Loads what makes values ready to be stored.
   *
   * @returns The function that does.
   *
   * @internal
   */
  async loadEncoder(): Promise<EncodeValue> {
    return (await ENCODING.load()).encodeValue;
  }

  /**
   * Stores a record. The values it names must be stored already.
   *
   * @param record The record.
   * @param lease The lease that the call was computed under, if there is one.
   * @returns `false` when nothing was kept, as the lease was revoked.
   *
   * @internal
   */
  putRecord(record: CallRecord, lease?: Lease): MaybePromise<boolean | void> {
    return this.#stores.calls.put(record, lease);
  }

  /**
   * Prepares a call whose result comes from elsewhere than its task: stores its arguments as they are
   * now, and has whoever asks for it wait until its result is committed, or it is abandoned. Where another
   * computes it already, the last result that is stored counts.
   *
   * Requires `--allow-read` of Quiver's files.
   *
   * @typeParam A The task's arguments.
   * @typeParam R What the task returns.
   * @param call The task, and the arguments.
   * @returns The call, to be committed or abandoned; dispose it.
   * @throws {IndigestibleError} When an argument that counts has no digest.
   * @throws {TypeError} When it is no call of a task, or the cache is read-only.
   *
   * @example Remember what a machine has measured
   * ```ts
   * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const measure = task(import.meta, (sample: string): number => {
   *   throw new Error(`put ${sample} into the machine`);
   * }, { name: "measure" });
   *
   * const cache = createMemoryCache();
   * {
   *   await using measured = await cache.prepare({ task: measure, args: ["argon"] });
   *   await measured.commit(0.5);
   * }
   * assertEquals(await cacheScope({ cache }, () => measure("argon")), 0.5);
   * ```
   */
  async prepare<A extends readonly unknown[], R>(
    call: PreparableCall<A, R>,
  ): Promise<PreparedCall<R>> {
    const { task, args }: Partial<PreparableCall<A, R>> = Object(call);
    const prepare: unknown = Reflect.get(Object(task), preparingSymbol);
    if (typeof prepare !== "function" || !Array.isArray(args)) {
      throw new TypeError(
        "Cannot prepare a call: it is to be `{ task, args }`, a task and an array",
      );
    }
    // The result is that of the task.
    return await prepare(this, args) as PreparedCall<R>;
  }

  /**
   * Forgets a call, so that it runs again when it is next asked for; one that runs now is not recorded.
   * Its values stay until they are collected.
   *
   * @param key The key of the call.
   * @returns Whether the call was known.
   */
  evict(key: Digest): boolean | Promise<boolean>;
  /**
   * Forgets all calls that match a template: all those of a task, of a version, with a tag… Those that
   * run now, here or on workers of this isolate, are not recorded, whichever handle of the cache they
   * were made with. By tags only what was computed and used with these is forgotten: a call that was also
   * used with other tags stays known, and is of these from then on. Calls that another program computes now are found by their keys only, and with
   * `singleFlight: false` not at all.
   *
   * @param template A task, or what the calls have in common.
   * @returns How many calls were forgotten.
   *
   * @example Forget the calls of a task that are tagged as drafts
   * ```ts
   * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const triple = task(import.meta, (n: number) => 3 * n, { name: "triple" });
   * const cache = createMemoryCache();
   * await cacheScope({ cache, tags: { draft: true } }, () => triple(1));
   * await cacheScope({ cache }, () => triple(2));
   * assertEquals(await cache.evict({ task: triple, tags: { draft: true } }), 1);
   * assertEquals(await cache.evict(triple), 1);
   * ```
   */
  evict(template: CallTemplate | { readonly address: TaskAddress }): Promise<number>;
  evict(
    what: Digest | CallTemplate | { readonly address: TaskAddress },
  ): MaybePromise<boolean | number> {
    if (typeof what === "string") {
      this.#evictRunning(what);
      const { calls, failures, uses } = this.#stores;
      const cleared = this.readOnly ? false : failures?.delete(what) ?? false;
      const known = calls.delete(what);
      uses?.forget([what]);
      if (!(known instanceof Promise || cleared instanceof Promise)) return known || cleared;
      return Promise.all([known, cleared]).then((all) => all.includes(true));
    }
    return importLater<typeof import("./tidy.ts")>("calls")
      .then(({ evictMatching, toMatcher }) => {
        this.evictRunning(toMatcher(what));
        return evictMatching(this.#stores, what);
      });
  }

  /**
   * Has calls of this isolate that run now not be recorded.
   *
   * @param matches Tells which are meant, by what their records would be.
   *
   * @internal
   */
  evictRunning(matches: (record: CallRecord) => boolean): void {
    const running = leasesOf(this.#stores).flatMap(sharingsAt)
      .flatMap(({ running }) => [...running.find(matches)]);
    for (const key of new Set(running)) this.#evictRunning(key);
  }

  /** Whoever asks from now on gets a run of its own; what runs now is not recorded, wherever it runs. */
  #evictRunning(key: Digest): void {
    for (const leases of leasesOf(this.#stores)) {
      for (const { flights, running } of sharingsAt(leases)) {
        flights.forget(key);
        running.evict(key);
      }
      leases.revoke?.(key);
    }
  }

  /**
   * Drops all values that no record names, directly or as a part. Calls in flight lose nothing: what
   * they have stored since they took their lease is kept.
   *
   * On a full disk a bag gives back what it can without any room: journals and segments of which nothing
   * is wanted. The rest it does when there is room; it fails only if nothing could be given back.
   *
   * @param options How long other values are kept.
   * @returns How many values were dropped, and their bytes.
   * @throws {TypeError} When an option is unknown, the cache is read-only, or it stands on a store that
   * cannot drop values.
   *
   * @example Get the space of forgotten calls back
   * ```ts
   * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const zeros = task(import.meta, (n: number) => new Uint8Array(n), { name: "zeros" });
   * const cache = createMemoryCache();
   * await cacheScope({ cache }, () => zeros(10_000));
   * await cache.evict(zeros);
   * assertEquals((await cache.gc({ gracePeriod: 0 })).values, 2);
   * ```
   */
  async gc(options: GcOptions = {}): Promise<SweepResult> {
    const { collectGarbage } = await importLater<typeof import("./tidy.ts")>("calls");
    return await collectGarbage(this.#stores, options);
  }

  /**
   * What the cache stands on.
   *
   * @internal
   */
  get stores(): Stores {
    return this.#stores;
  }

  /**
   * Tells how often the cache had the answer, and what else it has counted since it was opened.
   *
   * @returns The numbers of this handle; nested calls on workers are counted there.
   *
   * @example See whether it helps
   * ```ts
   * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const cube = task(import.meta, (n: number) => n ** 3, { name: "cube" });
   * const cache = createMemoryCache();
   * await cacheScope({ cache }, async () => {
   *   for (const n of [1, 2, 1]) await cube(n);
   * });
   * const { hits, misses } = cache.statistics();
   * assertEquals({ hits, misses }, { hits: 1, misses: 2 });
   * ```
   */
  statistics(): CacheStatistics {
    const counted = this.#stores.statistics?.() ?? { rejectedSignatures: 0, rejectedValues: 0 };
    return { ...this.counts, ...counted };
  }

  /**
   * How often the cache had the answer, without looking into the stores.
   *
   * @internal
   */
  protected get counts(): { readonly hits: number; readonly misses: number } {
    return { hits: this.#hits, misses: this.#misses };
  }

  /**
   * Counts a call that was answered without running, and takes note of who has used it.
   *
   * @param key The key of the call.
   * @param user Where it was made.
   *
   * @internal
   */
  countHit(key: Digest, user: CacheUser): void {
    this.#hits++;
    this.#notes?.add(key, user);
  }

  /**
   * Takes note of who has used the result of a call.
   *
   * @param key The key of the call.
   * @param user Where it was asked for.
   *
   * @internal
   */
  noteUse(key: Digest, user: CacheUser): void {
    this.#notes?.add(key, user);
  }

  /**
   * Counts a call that had to run.
   *
   * @internal
   */
  countMiss(): void {
    this.#misses++;
    this.#notes?.lookAtClock();
  }

  #judge(
    record: CallRecord | undefined,
    judge: RecordJudge | undefined,
  ): MaybePromise<Found<unknown>> {
    if (record === undefined) return { hit: false };
    const admitted = judge === undefined || judge.admits(record);
    return typeof admitted === "boolean"
      ? this.#decide(record, judge, admitted)
      : admitted.then((admitted) => this.#decide(record, judge, admitted));
  }

  #decide(
    record: CallRecord,
    judge: RecordJudge | undefined,
    admitted: boolean,
  ): MaybePromise<Found<unknown>> {
    if (admitted && judge?.stale !== true) return this.#valueOf(record, judge);
    if (judge !== undefined && this.#stores.calls.findOther !== undefined) {
      return this.#findBetter(record, judge, admitted);
    }
    return admitted ? this.#valueOf(record, judge) : { hit: false };
  }

  /** Has a record that has expired, or is stale, hide none beneath it that is neither. */
  async #findBetter(
    record: CallRecord,
    judge: RecordJudge,
    admitted: boolean,
  ): Promise<Found<unknown>> {
    const isAdmitted = async (other: CallRecord) =>
      other.started !== record.started && await judge.admits(other);
    let stale = false;
    const isFresh = async (other: CallRecord) => {
      if (!await isAdmitted(other)) return false;
      if (judge.stale !== true) return true;
      stale = true;
      return false;
    };
    const { calls } = this.#stores;
    const fresh = await calls.findOther?.(record.key, isFresh);
    if (fresh !== undefined) return this.#valueOf(fresh, judge);
    // Asked again, so that what was judged last is what is given.
    if (admitted) return await judge.admits(record) ? this.#valueOf(record, judge) : { hit: false };
    const other = stale ? await calls.findOther?.(record.key, isAdmitted) : undefined;
    return other === undefined ? { hit: false } : this.#valueOf(other, judge);
  }

  #valueOf(record: CallRecord, judge?: RecordJudge): MaybePromise<Found<unknown>> {
    const { resultOf, values } = this.#stores;
    const found = resultOf === undefined
      ? values.get(record.result)
      : resultOf(record, judge && ((other) => judge.admits(other)));
    return found instanceof Promise ? found.then(toResult) : toResult(found);
  }
}

/**
 * Tells whether a look-up finds a result.
 *
 * @returns Whether it does, and instances in it can be made here.
 */
export async function isHit(lookUp: () => MaybePromise<Found<unknown>>): Promise<boolean> {
  try {
    return (await lookUp()).hit;
  } catch (error) {
    if (error instanceof InstanceError) return false;
    throw error;
  }
}

/** Stores know nothing of classes. */
function toOwn(found: Found<unknown>): Found<unknown> {
  if (!found.hit || found.instances === undefined) return found;
  const { instances, ...rest } = found;
  return { ...rest, value: makeInstances(found.value, instances) };
}

/** A result of another version of its class is as good as none, and the call makes a new one. */
function toResult(found: Found<unknown>): Found<unknown> {
  try {
    return toOwn(found);
  } catch (error) {
    if (error instanceof InstanceError && error.reason === "version") return { hit: false };
    throw error;
  }
}

function importReading(): Promise<typeof import("../store/browse/read_bag.ts")> {
  return importLater<typeof import("../store/browse/read_bag.ts")>("browse");
}

/**
 * Creates a cache that lives in the memory of this isolate.
 *
 * It cannot travel: tasks that run on workers are remembered by the isolate that submitted them, and
 * tasks that those call in turn are not remembered. Use a bag for that.
 *
 * @returns The cache.
 */
export function createMemoryCache(): Cache {
  return new Cache(createMemoryStores());
}

/**
 * The cache that remembers nothing: within a scope of it, every call runs each time.
 *
 * @example Run a part of a program uncached
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { voidCache } from "@quiver/quiver/caches";
 * import { assertEquals } from "@std/assert";
 *
 * let runs = 0;
 * const roll = task(import.meta, (sides: number) => (runs++, sides), { name: "roll" });
 * await cacheScope({ cache: createMemoryCache() }, async () => {
 *   await roll(6);
 *   await cacheScope({ cache: voidCache }, async () => {
 *     for (let i = 0; i < 3; i++) await roll(6);
 *   });
 *   await roll(6);
 * });
 * assertEquals(runs, 4);
 * ```
 */
export const voidCache: Cache = sharedByCopies(
  "voidCache",
  () => new Cache(createVoidStores()),
);

/**
 * Tells whether a value is a cache, by what scopes ask it for: that of another copy of Quiver is of
 * another class.
 *
 * @param value Perhaps a cache.
 * @returns Whether it is one.
 */
export function isCache(value: unknown): value is Cache {
  if (value instanceof Cache) return true;
  const { lookup, putRecord, sharing }: Partial<Cache> = Object(value);
  return [lookup, putRecord, sharing].every((method) => typeof method === "function");
}

/**
 * Refuses what is no cache: types do not hold where a program has none.
 *
 * @param value What was given as a cache.
 * @param use What cannot be done, and what is at fault, for the message.
 * @throws {TypeError} When it is none.
 */
export function checkCache(value: unknown, use: string): asserts value is Cache {
  if (isCache(value)) return;
  const state = value instanceof Promise
    ? "it is a promise; await it"
    : typeof value === "string"
    ? `${JSON.stringify(value)} is a name; give it what \`await useCache(${
      JSON.stringify(value)
    })\` returns`
    : `${typeof value} is none; give it what ` +
      "`openBag()` or `createMemoryCache()` has returned";
  throw new TypeError(`Cannot ${use} must be a cache: ${state}`);
}

/** Options of {@linkcode rekey}. */
export interface RekeyOptions {
  /**
   * Tells what is different of a call since it was stored: what its module is known by, the task's name,
   * version or code; `task.identity` has the first two as they are now. A field that is `undefined` is taken away. Records of
   * old versions do not tell which parameters their task ignores: `ignored` says it.
   *
   * @default {() => ({})}
   */
  change?: (
    record: CallRecord,
  ) => Partial<Pick<CallRecord, "module" | "task" | "version" | "code" | "ignored">>;
}

const REKEY_RULES: OptionRules<RekeyOptions> = { change: FUNCTION };

/**
 * Gives the calls of a cache the keys that they would have if they were made today, so that they are
 * hits again: after a task was renamed, and after an upgrade of Quiver with other rules of digests, for
 * which the stored arguments are digested again. Modules that calls know by a `file:` URL are known by
 * their place in the project that lies there now, if it has a name and its configuration may be read.
 *
 * Others may use the cache meanwhile; a call that they store under a new key is kept. A program that
 * dies in between has lost no call but one of those that exchange their keys; run it again.
 *
 * @param cache The cache.
 * @param options What has changed.
 * @returns How many calls have moved.
 * @throws {TypeError} When an option is unknown, the cache is read-only, or a new version is neither a
 * string nor a finite number.
 *
 * @example Keep the results of a task that was renamed
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { rekey } from "@quiver/quiver/caches";
 * import { assertEquals } from "@std/assert";
 *
 * const cache = createMemoryCache();
 * const fn = (n: number): number => n + 1;
 * const before = task(import.meta, fn, { name: "increment" });
 * const after = task(import.meta, fn, { name: "next" });
 * await cacheScope({ cache }, () => before(1));
 * const change = ({ task }: { task: string }) => task === "increment" ? { task: "next" } : {};
 * assertEquals(await rekey(cache, { change }), { moved: 1, unchanged: 0, unknown: 0 });
 * assertEquals(await cacheScope({ cache }, () => after.load(1)), 2);
 * ```
 */
export async function rekey(
  cache: Cache,
  options: RekeyOptions = {},
): Promise<RekeyResult> {
  checkOptions("rekey a cache", options, REKEY_RULES);
  const { change = () => ({}) } = options;
  checkCache(cache, "rekey a cache as the first argument");
  if (cache.readOnly) throw new TypeError("Cannot rekey this cache: it is read-only");
  const { rekeyStores } = await importLater<typeof import("../store/transfer_calls.ts")>(
    "transfer",
  );
  return await rekeyStores(cache.stores, change);
}
