import { endOf } from "../call/call_query.ts";
import type { CallRecord } from "../call/call_record.ts";
import { toCallRecord } from "../disk/disk_stores.ts";
import { toFailure } from "../disk/failure_log.ts";
import { NewestFailures } from "../disk/newest_failures.ts";
import { toPayload, toPayloadCheck } from "../disk/payload.ts";
import { decodeFound } from "../value/codec/decode_value.ts";
import { neededParts } from "../value/codec/references.ts";
import type { Digest, EncodedPart, EncodedValue, Found, Payload } from "../value/value.ts";
import { freezeData, MemoryLeases } from "./memory_stores.ts";
import type {
  CallStore,
  FailureStore,
  Lease,
  MaybePromise,
  Stores,
  SweepOptions,
  SweepResult,
  ValueStore,
  ValueSweeper,
} from "./stores.ts";

/** Keeps bytes under names; where it answers at once, so does the cache. */
export interface OwnValues {
  /**
   * Keeps bytes. When this returns, or what it returns resolves, {@linkcode OwnValues.get} gives them.
   * What was kept under the name before may stay as it is.
   *
   * @param digest The name: 64 hexadecimal digits.
   * @param bytes The bytes, which are the store's own from here on.
   */
  put(digest: Digest, bytes: Uint8Array<ArrayBuffer>): MaybePromise<void>;
  /**
   * Gives bytes.
   *
   * @param digest The name.
   * @returns The bytes, which nobody changes; `undefined` where the name is not known.
   */
  get(digest: Digest): MaybePromise<Uint8Array | undefined>;
  /**
   * Forgets bytes, if they are known. A store that has this and {@linkcode OwnValues.entries} can be
   * collected with `gc()`.
   *
   * @param digest The name.
   */
  delete?(digest: Digest): MaybePromise<unknown>;
  /**
   * Goes over all that is kept.
   *
   * @returns What is kept, each name once.
   */
  entries?(): Iterable<OwnEntry> | AsyncIterable<OwnEntry>;
}

/** What a store tells of bytes that it keeps. */
export interface OwnEntry {
  /** The name. */
  readonly digest: Digest;
  /** How many bytes there are. */
  readonly bytes: number;
  /**
   * When they were last put, also where they were known already, in milliseconds since 1970: what was put
   * within the grace period of a collection stays.
   */
  readonly put: number;
}

/** Keeps what is known of calls: data that JSON carries. */
export interface OwnCalls {
  /**
   * Keeps a record, in place of the one that has the same key. When this returns, or what it returns
   * resolves, {@linkcode OwnCalls.get} gives it.
   *
   * @param record The record, which nobody changes.
   */
  put(record: CallRecord): MaybePromise<void>;
  /**
   * Gives a record.
   *
   * @param key The key of the call: 64 hexadecimal digits.
   * @returns The record, or `undefined` where the key is not known.
   */
  get(key: Digest): MaybePromise<CallRecord | undefined>;
  /**
   * Forgets a record.
   *
   * @param key The key of the call.
   * @returns Whether it was known.
   */
  delete(key: Digest): MaybePromise<boolean>;
  /**
   * Goes over all records.
   *
   * @returns The records, each key once.
   */
  records(): Iterable<CallRecord> | AsyncIterable<CallRecord>;
}

/** Where a cache of one's own keeps its data. */
export interface OwnStores {
  /** Where values are kept. */
  readonly values: OwnValues;
  /** Where records are kept. */
  readonly calls: OwnCalls;
  /**
   * Where the newest failures are kept, apart from the records of calls: records that have a `failure`, and
   * an empty result. Without it, none are kept.
   */
  readonly failures?: OwnCalls;
}

/** Kind and checksum stand before the bytes of a payload. */
const HEADER_BYTES = 5;

function toBytes(part: EncodedPart): Uint8Array<ArrayBuffer> {
  const { digest, kind, bytes } = part;
  const stored = new Uint8Array(HEADER_BYTES + bytes.length);
  const view = new DataView(stored.buffer);
  view.setUint8(0, kind);
  view.setUint32(1, toPayloadCheck(digest, { kind, bytes }));
  stored.set(bytes, HEADER_BYTES);
  return stored;
}

/** What is not whole, or lies under another name, is as good as not there. */
function fromBytes(digest: Digest, stored: unknown): Payload | undefined {
  if (!(stored instanceof Uint8Array) || stored.length < HEADER_BYTES) return undefined;
  const view = new DataView(stored.buffer, stored.byteOffset, stored.byteLength);
  // The decoder owns what it is given.
  const payload = toPayload(view.getUint8(0), new Uint8Array(stored.slice(HEADER_BYTES)));
  if (payload === undefined) return undefined;
  return toPayloadCheck(digest, payload) === view.getUint32(1) ? payload : undefined;
}

/** Values whose parts are kept by somebody who knows nothing of them. */
class OwnValueStore implements ValueStore {
  readonly #values: OwnValues;
  /** What is not what its digest says, or cannot be decoded: it is a miss until it is put again. */
  readonly #rejected = new Set<Digest>();
  /** What is put while values are dropped, for each collection that is under way. */
  readonly #collections = new Set<Set<Digest>>();
  /** What is being dropped: who puts it again comes after that. */
  readonly #dropping = new Map<Digest, Promise<unknown>>();

  constructor(values: OwnValues) {
    this.#values = values;
  }

  put(value: EncodedValue): MaybePromise<void> {
    let before: MaybePromise<void> = undefined;
    for (const part of [...value.parts, value]) {
      if (!(before instanceof Promise)) {
        before = this.#putPart(part);
        continue;
      }
      // The caller may change its buffer meanwhile.
      const copy = part.lazy ? part : { ...part, bytes: part.bytes.slice() };
      before = before.then(() => this.#putPart(copy));
    }
    return before;
  }

  #putPart(part: EncodedPart): MaybePromise<void> {
    const { digest } = part;
    const bytes = toBytes(part);
    for (const put of this.#collections) put.add(digest);
    const dropping = this.#dropping.get(digest);
    const put = dropping?.then(() => this.#values.put(digest, bytes)) ??
      toSettled(this.#values.put(digest, bytes));
    if (put instanceof Promise) return put.then(() => void this.#rejected.delete(digest));
    this.#rejected.delete(digest);
  }

  /** Drops what was not put since the horizon, nor is wanted. */
  async sweep(live: ReadonlySet<Digest>, { horizon }: SweepOptions): Promise<SweepResult> {
    const put = new Set<Digest>();
    this.#collections.add(put);
    try {
      const unwanted: OwnEntry[] = [];
      for await (const entry of this.#values.entries?.() ?? []) {
        checkEntry(entry);
        if (entry.put <= horizon && !live.has(entry.digest)) unwanted.push(entry);
      }
      if (unwanted.length === 0) return { values: 0, bytes: 0 };
      const parts = await this.#partsOf(live);
      let [values, bytes] = [0, 0];
      for (const entry of unwanted) {
        if (put.has(entry.digest) || parts.has(entry.digest)) continue;
        await this.#drop(entry.digest);
        values++;
        bytes += Math.max(0, entry.bytes - HEADER_BYTES);
      }
      return { values, bytes };
    } finally {
      this.#collections.delete(put);
    }
  }

  async #partsOf(live: ReadonlySet<Digest>): Promise<Set<Digest>> {
    const parts = new Set<Digest>();
    for (const digest of live) {
      const payload = await this.#read(digest);
      if (payload !== undefined) { for (const part of neededParts(payload)) parts.add(part); }
    }
    return parts;
  }

  async #drop(digest: Digest): Promise<void> {
    const dropped = Promise.resolve(this.#values.delete?.(digest));
    // Whoever waits for it puts the value, whatever became of the one before.
    this.#dropping.set(digest, dropped.catch(() => {}));
    try {
      await dropped;
    } finally {
      this.#dropping.delete(digest);
    }
  }

  get(digest: Digest): MaybePromise<Found<unknown>> {
    return this.#getWith(digest, new Map());
  }

  /** Reads what is not there yet; once something has to be waited for, the rest is read beside it. */
  #getWith(digest: Digest, loaded: Map<Digest, Payload | undefined>): MaybePromise<Found<unknown>> {
    const waits: Promise<void>[] = [];
    const load = (part: Digest): Payload | undefined => {
      if (!loaded.has(part)) {
        const read = this.#read(part);
        if (read instanceof Promise) {
          waits.push(read.then((payload) => void loaded.set(part, payload)));
          return undefined;
        }
        loaded.set(part, read);
      }
      const payload = loaded.get(part);
      return payload && { ...payload, bytes: payload.bytes.slice() };
    };
    try {
      const found = decodeFound(digest, load);
      if (waits.length === 0) return found;
      return Promise.all(waits).then(() => this.#getParts(digest, loaded));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.reject(digest);
      return { hit: false };
    }
  }

  async #getParts(
    digest: Digest,
    loaded: Map<Digest, Payload | undefined>,
  ): Promise<Found<unknown>> {
    const payload = loaded.get(digest);
    const parts = payload === undefined
      ? []
      : neededParts({ ...payload, bytes: payload.bytes.slice() });
    await Promise.all(
      parts.filter((part) => !loaded.has(part))
        .map(async (part) => loaded.set(part, await this.#read(part))),
    );
    return await this.#getWith(digest, loaded);
  }

  #read(digest: Digest): MaybePromise<Payload | undefined> {
    if (this.#rejected.has(digest)) return undefined;
    const stored = toSettled(this.#values.get(digest));
    return stored instanceof Promise
      ? stored.then((stored) => fromBytes(digest, stored))
      : fromBytes(digest, stored);
  }

  reject(digest: Digest): boolean {
    this.#rejected.add(digest);
    return false;
  }
}

/** Records that are kept by somebody who may lose or mix them up. */
class OwnCallStore implements CallStore {
  readonly #calls: OwnCalls;

  constructor(calls: OwnCalls) {
    this.#calls = calls;
  }

  put(record: CallRecord, lease?: Lease): MaybePromise<boolean> {
    if (lease?.revoked) return false;
    const put = toSettled(this.#calls.put(freezeData(structuredClone(record))));
    return put instanceof Promise ? put.then(() => true) : true;
  }

  get(key: Digest): MaybePromise<CallRecord | undefined> {
    const record = toSettled(this.#calls.get(key));
    return record instanceof Promise
      ? record.then((record) => toRecordOf(key, record))
      : toRecordOf(key, record);
  }

  delete(key: Digest): MaybePromise<boolean> {
    return toSettled(this.#calls.delete(key));
  }

  async *records(): AsyncIterable<CallRecord> {
    for await (const record of this.#calls.records()) {
      const sound = toRecord(record);
      if (sound !== undefined) yield sound;
    }
  }
}

/** Failures that are kept by somebody who may lose them, or mix them up. */
class OwnFailureStore implements FailureStore {
  readonly seen: Set<Digest> = new Set();
  readonly #calls: OwnCalls;
  /** What is known of them since the first was put. */
  #newest: NewestFailures | undefined;

  constructor(calls: OwnCalls) {
    this.#calls = calls;
  }

  async put(record: CallRecord): Promise<void> {
    const own = freezeData(structuredClone(record));
    if (this.#newest === undefined) await this.records();
    await this.#calls.put(own);
    this.seen.add(own.key);
    for (const key of this.#newest?.put(own, JSON.stringify(own).length) ?? []) {
      this.seen.delete(key);
      await this.#calls.delete(key);
    }
  }

  async get(key: Digest): Promise<CallRecord | undefined> {
    const record = toOwnFailure(await this.#calls.get(key));
    if (record?.key !== key) return undefined;
    this.seen.add(key);
    return record;
  }

  async delete(key: Digest): Promise<boolean> {
    this.seen.delete(key);
    this.#newest?.delete(key);
    return await this.#calls.delete(key);
  }

  async records(): Promise<readonly CallRecord[]> {
    const found: CallRecord[] = [];
    for await (const stored of this.#calls.records()) {
      const record = toOwnFailure(stored);
      if (record !== undefined) found.push(record);
    }
    found.sort((a, b) => endOf(a) - endOf(b));
    const newest = this.#newest = new NewestFailures();
    this.seen.clear();
    for (const record of found) {
      newest.put(record, JSON.stringify(record).length);
      this.seen.add(record.key);
    }
    return newest.records();
  }
}

function toOwnFailure(stored: unknown): CallRecord | undefined {
  if (typeof stored !== "object" || stored === null) return undefined;
  const { key, ...fields } = freezeData(structuredClone({ ...stored })) as Partial<CallRecord>;
  return toFailure({ ...fields, failed: key });
}

/** A store without types may say anything. */
function checkEntry({ digest, bytes, put }: OwnEntry): void {
  if (typeof digest === "string" && Number.isFinite(bytes) && Number.isFinite(put)) return;
  throw new TypeError(
    "Cannot collect the garbage of this cache: `entries()` of its values gives no " +
      "`{ digest, bytes, put }`, a text and two numbers",
  );
}

/** What a library takes for a promise need not be one of this isolate's. */
function toSettled<T>(answer: MaybePromise<T>): MaybePromise<T> {
  const isThenable = typeof answer === "object" && answer !== null && "then" in answer &&
    !(answer instanceof Promise);
  return isThenable ? Promise.resolve(answer) : answer;
}

function toRecordOf(key: Digest, stored: unknown): CallRecord | undefined {
  const record = toRecord(stored);
  return record?.key === key ? record : undefined;
}

function toRecord(stored: unknown): CallRecord | undefined {
  if (typeof stored !== "object" || stored === null) return undefined;
  return toCallRecord(freezeData(structuredClone({ ...stored })));
}

/**
 * Makes the stores of a cache of what a user has written.
 *
 * @param own Where bytes and records are kept.
 * @returns The stores, whose leases are those of this isolate.
 */
export function toStores({ values, calls, failures }: OwnStores): Stores {
  const leases = new MemoryLeases();
  const ownValues = new OwnValueStore(values);
  const sweeper: ValueSweeper = {
    // Whoever asks for a description looks at once, and these may answer later.
    findsParts: true,
    describe: () => undefined,
    // By the clock that says when values were put, which may cut a millisecond off.
    horizon: (gracePeriod) => Promise.resolve(Date.now() - 1 - Math.max(gracePeriod, leases.age())),
    sweep: (live, options) => ownValues.sweep(live, options),
  };
  const { delete: drop, entries } = values;
  return {
    values: ownValues,
    calls: new OwnCallStore(calls),
    leases,
    ...(failures !== undefined && { failures: new OwnFailureStore(failures) }),
    ...(drop !== undefined && entries !== undefined && { sweeper }),
  };
}
