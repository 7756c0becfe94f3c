import type { CallRecord } from "../call/call_record.ts";
import { toCallRecord } from "../disk/disk_stores.ts";
import { toPayload, toPayloadCheck } from "../disk/payload.ts";
import { decodeFound } from "../value/codec/decode_value.ts";
import { neededParts } from "../value/codec/references.ts";
import type { Digest, EncodedPart, EncodedValue, Found, Payload } from "../value/value.ts";
import { freezeData, MemoryLeases } from "./memory_stores.ts";
import type { CallStore, Lease, MaybePromise, Stores, ValueStore } from "./stores.ts";

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
    const put = toSettled(this.#values.put(digest, toBytes(part)));
    if (put instanceof Promise) return put.then(() => void this.#rejected.delete(digest));
    this.#rejected.delete(digest);
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
export function toStores({ values, calls }: OwnStores): Stores {
  return {
    values: new OwnValueStore(values),
    calls: new OwnCallStore(calls),
    leases: new MemoryLeases(),
  };
}
