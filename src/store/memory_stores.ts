import type { CallRecord, CallUse } from "../call/call_record.ts";
import { capture } from "../value/capture.ts";
import { abortable } from "../base/abortable.ts";
import { LateModule } from "../base/lazy_import.ts";
import type { Digest, EncodedPart, EncodedValue, Payload } from "../value/value.ts";
import type {
  CallFeed,
  CallStore,
  FailureStore,
  Found,
  Lease,
  LeaseStore,
  MaybePromise,
  RecordChange,
  Stores,
  SweepOptions,
  SweepResult,
  UseSet,
  UseSource,
  UseStore,
  ValueDescription,
  ValueStore,
  ValueSweeper,
} from "./stores.ts";

/** Creates stores that live as long as this isolate and are shared with nobody. */
export function createMemoryStores(): Stores {
  const values = new MemoryValues();
  const leases = new MemoryLeases();
  const calls = new MemoryCalls();
  const sweeper: ValueSweeper = {
    horizon: (gracePeriod) => Promise.resolve(Math.min(now() - gracePeriod, leases.oldest - 1)),
    describe: (digest) => values.describe(digest),
    sweep: (live, options) => Promise.resolve(values.sweep(live, options)),
  };
  const uses = new MemoryUses(calls);
  return { values, calls, leases, sweeper, failures: new MemoryFailures(), uses };
}

/** How many changes are kept for somebody who follows. */
const LONGEST_FEED = 10_000;

/** The time in milliseconds since 1970, exact enough to tell what came first. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

interface StoredPayload extends Payload {
  /** The digests of the parts that the value refers to. */
  readonly parts: readonly Digest[];
  /** When it was last put. */
  at: number;
  /** Whether it is decoded without being copied and checked, once somebody has asked for it. */
  plain?: boolean;
}

/** Loaded with the first value: a worker that remembers nothing never pays for the codec. */
const DECODING = new LateModule(() => import("../value/codec/decode_value.ts"));

/** Keeps encoded bytes, so that nobody can change what is stored by changing what was given. */
class MemoryValues implements ValueStore {
  readonly #payloads = new Map<Digest, StoredPayload>();

  put(value: EncodedValue): void {
    const at = now();
    for (const part of value.parts) this.#put(part, [], at);
    this.#put(value, value.parts.map(({ digest }) => digest), at);
  }

  #put({ digest, kind, bytes }: EncodedPart, parts: readonly Digest[], at: number): void {
    const known = this.#payloads.get(digest);
    if (known === undefined) this.#payloads.set(digest, { kind, bytes: bytes.slice(), parts, at });
    else known.at = at;
  }

  describe(digest: Digest): ValueDescription | undefined {
    const payload = this.#payloads.get(digest);
    return payload && { bytes: payload.bytes.length, parts: payload.parts };
  }

  sweep(live: ReadonlySet<Digest>, { horizon }: SweepOptions): SweepResult {
    let values = 0;
    let dropped = 0;
    for (const [digest, { bytes, at }] of this.#payloads) {
      if (at > horizon || live.has(digest)) continue;
      this.#payloads.delete(digest);
      values++;
      dropped += bytes.length;
    }
    return { values, bytes: dropped };
  }

  get(digest: Digest): MaybePromise<Found<unknown>> {
    const payload = this.#payloads.get(digest);
    if (payload === undefined) return { hit: false };
    const { loaded } = DECODING;
    if (loaded === undefined) return DECODING.load().then(() => this.get(digest));
    payload.plain ??= loaded.isPlain(payload);
    if (payload.plain) return { hit: true, value: loaded.decodePlain(payload.bytes) };
    return loaded.decodeFound(digest, (part) => this.#copy(part));
  }

  matching(prefix: string): Iterable<Digest> {
    return this.#payloads.keys().filter((digest) => digest.startsWith(prefix));
  }

  reject(digest: Digest): boolean {
    this.#payloads.delete(digest);
    return false;
  }

  /** The decoder owns what it is given. */
  #copy(digest: Digest): Payload | undefined {
    const payload = this.#payloads.get(digest);
    return payload && { kind: payload.kind, bytes: payload.bytes.slice() };
  }
}

/** So many keys are kept that were deleted. */
const MOST_FORGOTTEN = 4096;

class MemoryCalls implements CallStore {
  readonly #records = new Map<Digest, CallRecord>();
  readonly #feeds = new Set<WeakRef<MemoryFeed>>();
  readonly #forgotten = new Set<Digest>();

  get size(): number {
    return this.#records.size;
  }

  put(record: CallRecord, lease?: Lease): boolean {
    if (lease?.revoked) return false;
    // A record is data that JSON carries.
    const [copy] = capture([record], { large: (buffer) => buffer }).values;
    const own = freezeData(copy as CallRecord);
    // A key that is put again comes last.
    this.#records.delete(own.key);
    this.#records.set(own.key, own);
    if (this.#feeds.size > 0) this.#tell({ type: "put", record: own });
    return true;
  }

  get(key: Digest): CallRecord | undefined {
    return this.#records.get(key);
  }

  delete(key: Digest): boolean {
    if (!this.#records.delete(key)) return false;
    this.#forgotten.add(key);
    const [oldest = ""] = this.#forgotten;
    if (this.#forgotten.size > MOST_FORGOTTEN) this.#forgotten.delete(oldest);
    if (this.#feeds.size > 0) this.#tell({ type: "delete", key });
    return true;
  }

  isForgotten(key: Digest): boolean {
    return this.#forgotten.has(key);
  }

  feed(): CallFeed {
    const feed = new MemoryFeed(this.#records);
    this.#feeds.add(new WeakRef(feed));
    return feed;
  }

  #tell(change: RecordChange): void {
    for (const feed of this.#feeds) {
      const follower = feed.deref();
      if (follower === undefined) this.#feeds.delete(feed);
      else follower.push(change);
    }
  }

  records(): Iterable<CallRecord> {
    // As they are now: whoever puts records meanwhile must not meet them again.
    return [...this.#records.values()];
  }
}

/** So many failures are kept, the newest, and as many bytes of their arguments. */
const MOST_FAILURES = 1000;
const MOST_FAILURE_BYTES = 2 ** 24;

class MemoryFailures implements FailureStore {
  readonly #records = new Map<Digest, CallRecord>();
  readonly seen: FailureStore["seen"] = this.#records;
  #bytes = 0;

  put(record: CallRecord): void {
    this.delete(record.key);
    this.#records.set(record.key, freezeData(structuredClone(record)));
    this.#bytes += record.failure?.bytes ?? 0;
    for (const key of this.#records.keys()) {
      if (this.#records.size <= MOST_FAILURES && this.#bytes <= MOST_FAILURE_BYTES) return;
      this.delete(key);
    }
  }

  get(key: Digest): CallRecord | undefined {
    return this.#records.get(key);
  }

  delete(key: Digest): boolean {
    this.#bytes -= this.#records.get(key)?.failure?.bytes ?? 0;
    return this.#records.delete(key);
  }

  records(): readonly CallRecord[] {
    return [...this.#records.values()];
  }
}

/** So many uses of calls that were forgotten are no reason to look for them. */
const FEW_USES = 10_000;

/** Who has used which call: what is told of is asked for when somebody wants to know. */
class MemoryUses implements UseStore {
  readonly #calls: MemoryCalls;
  readonly #sources = new Set<UseSource>();
  readonly #sets = new Map<string, UseSet & { readonly calls: Map<Digest, number> }>();

  constructor(calls: MemoryCalls) {
    this.#calls = calls;
  }

  expect(source: UseSource): void {
    this.#sources.add(source);
  }

  add(sets: readonly UseSet[]): void {
    for (const { tags, run, calls } of sets) {
      const own = this.#sets.getOrInsertComputed(
        `${run} ${JSON.stringify(tags)}`,
        () => ({ tags, run, calls: new Map<Digest, number>() }),
      );
      for (const [key, at] of calls) own.calls.set(key, Math.max(at, own.calls.get(key) ?? at));
    }
    const all = this.#sets.values().reduce((sum, { calls }) => sum + calls.size, 0);
    if (all > 2 * this.#calls.size + FEW_USES) this.#prune();
  }

  carry(sets: readonly UseSet[]): void {
    this.add(sets);
  }

  #prune(): void {
    for (const [name, { calls }] of this.#sets) {
      for (const key of calls.keys()) if (this.#calls.get(key) === undefined) calls.delete(key);
      if (calls.size === 0) this.#sets.delete(name);
    }
  }

  forget(keys: Iterable<Digest>, tags?: readonly CallUse["tags"][]): void {
    this.#collect();
    const names = tags && new Set(tags.map((one) => JSON.stringify(one)));
    for (const key of keys) {
      for (const { tags: own, calls } of this.#sets.values()) {
        if (names?.has(JSON.stringify(own)) !== false) calls.delete(key);
      }
    }
  }

  read(): readonly UseSet[] {
    this.#collect();
    return [...this.#sets.values()];
  }

  #collect(): void {
    const sources = [...this.#sources];
    this.#sources.clear();
    for (const source of sources) this.add(source());
  }
}

/** Changes that wait to be read; too many of them, and all is read anew. */
class MemoryFeed implements CallFeed {
  readonly #records: ReadonlyMap<Digest, CallRecord>;
  #changes: RecordChange[] | undefined;

  constructor(records: ReadonlyMap<Digest, CallRecord>) {
    this.#records = records;
  }

  push(change: RecordChange): void {
    if ((this.#changes?.length ?? 0) < LONGEST_FEED) this.#changes?.push(change);
    else this.#changes = undefined;
  }

  read(): Iterable<RecordChange> {
    const changes = this.#changes;
    this.#changes = [];
    if (changes !== undefined) return changes;
    const all = Array.from(this.#records.values(), (record): RecordChange => ({
      type: "put",
      record,
    }));
    return [{ type: "reset" }, ...all];
  }
}

/**
 * Freezes data at any depth: whoever gets a record must not change what is stored, and a copy for each
 * would slow down hits.
 *
 * @typeParam T What kind of data.
 * @param value The data.
 * @returns The same.
 */
export function freezeData<T extends object>(value: T): T {
  for (const item of Object.values(value)) {
    if (typeof item === "object" && item !== null) freezeData(item);
  }
  return Object.freeze(value);
}

/** Leases among the callers of this isolate. */
export class MemoryLeases implements LeaseStore {
  readonly #held = new Map<Digest, HeldLease>();

  /** Since when the oldest lease is held, in milliseconds since 1970; infinite when none is. */
  get oldest(): number {
    // A map keeps the order of insertion.
    return this.#held.values().next().value?.since ?? Infinity;
  }

  /** As the interface says. */
  age(): number {
    return this.oldest === Infinity ? 0 : now() - this.oldest;
  }

  /** As the interface says. */
  tryAcquire(key: Digest): Lease | undefined {
    if (this.#held.has(key)) return undefined;
    const { promise: freed, resolve } = Promise.withResolvers<void>();
    const free = () => {
      // It may be held by another one when this is disposed again.
      if (this.#held.get(key) === lease) this.#held.delete(key);
      resolve();
    };
    const lease: HeldLease = { key, since: now(), revoked: false, freed, [Symbol.dispose]: free };
    this.#held.set(key, lease);
    return lease;
  }

  /** As the interface says. */
  revoke(key: Digest): void {
    const held = this.#held.get(key);
    if (held !== undefined) held.revoked = true;
  }

  /** As the interface says. */
  async changed(key: Digest, signal?: AbortSignal): Promise<void> {
    const freed = this.#held.get(key)?.freed;
    if (freed !== undefined) await abortable(freed, signal);
  }
}

interface HeldLease extends Lease {
  readonly since: number;
  revoked: boolean;
  readonly freed: Promise<void>;
}

/**
 * Takes the result of a function in the turn in which it is there. An `await` would let others go
 * first where it is a thenable that is no promise, such as the future of another call.
 *
 * @typeParam T What is made of it.
 * @param result What the function returned.
 * @param take Makes something of the result; called once where the thenable is well-behaved.
 * @returns What was made of it: at once where the function did not wait for anything.
 */
export function whenSettled<T>(result: unknown, take: (value: unknown) => T): T | Promise<T> {
  if (!isThenable(result)) return take(result);
  return new Promise<T>((resolve, reject) => {
    result.then((value) => {
      try {
        resolve(whenSettled(value, take));
      } catch (error) {
        reject(error);
      }
    }, reject);
  });
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  const object = typeof value === "object" && value !== null || typeof value === "function";
  return object && "then" in value && typeof value.then === "function";
}

/**
 * Creates stores that forget at once whatever they are given.
 *
 * @returns The stores; every lease is free.
 */
export function createVoidStores(): Stores {
  return {
    values: { put: () => {}, get: () => ({ hit: false }) },
    calls: {
      put: () => {},
      get: () => undefined,
      delete: () => false,
      records: () => [],
      feed: () => ({ read: () => [] }),
    },
    sweeper: {
      horizon: (gracePeriod) => Promise.resolve(now() - gracePeriod),
      describe: () => undefined,
      sweep: () => Promise.resolve({ values: 0, bytes: 0 }),
    },
    leases: {
      // Nobody has anything to wait for: what another computes is not remembered either.
      tryAcquire: (key) => ({ key, revoked: false, [Symbol.dispose]: () => {} }),
      changed: (_key, signal) => Promise.try(() => signal?.throwIfAborted()),
    },
  };
}
