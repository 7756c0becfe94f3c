import type { CallRecord } from "../call/call_record.ts";
import type { BagOptions, BagStorage, DiskStorage } from "../disk/disk_storage.ts";
import { decodePlain } from "../value/codec/decode_value.ts";
import { mayRefer, referencesOf } from "../value/codec/references.ts";
import { digestValue } from "../value/digest/digest_value.ts";
import type { Digest, EncodedValue, Payload } from "../value/value.ts";
import { decodeFound } from "./decode_found.ts";
import { MemoryLeases } from "./memory_stores.ts";
import {
  type CallFeed,
  type CallStore,
  type Found,
  type Lease,
  type LeaseStore,
  NO_STATISTICS,
  type RecordChange,
  type StoreDescription,
  type Stores,
  type SweepOptions,
  type SweepResult,
  type TellDamaged,
  toPaths,
  type ValueDescription,
  type ValueStore,
  type ValueSweeper,
  type WaitBoard,
} from "./stores.ts";

/**
 * Makes a bag's files into stores of values, records and leases.
 *
 * @param files The open bag. It stays the caller's to close.
 * @param options How it was opened.
 * @returns The stores.
 */
export function createBagStores(files: BagStorage, options: BagOptions = {}): Stores {
  const { fold: _, ...shared } = options;
  return {
    ...createFileStores(files, { type: "bag", path: files.path, options: shared }),
    calls: new BagCalls(files),
    sweeper: new BagSweeper(files),
    statistics: () => ({ ...NO_STATISTICS, storage: files.statistics() }),
  };
}

/**
 * Makes any files of a cache into stores of values, records and leases.
 *
 * @param files What is open. It stays the caller's to close.
 * @param description How another isolate opens the same.
 * @returns The stores.
 */
export function createFileStores(files: DiskStorage, description: StoreDescription): Stores {
  const { mode } = files;
  return {
    values: new FileValues(files),
    calls: new FileCalls(files),
    // Who may not write stores no result, so there is nothing that others could wait for.
    leases: mode === "read" ? new MemoryLeases() : new FileLeases(files, toPaths(description)),
    readOnly: mode === "read",
    description,
  };
}

class FileValues implements ValueStore {
  readonly #files: DiskStorage;
  readonly #load = (part: Digest): Payload | undefined => this.#files.getValue(part);

  constructor(files: DiskStorage) {
    this.#files = files;
  }

  /** Parts first: whoever sees the value must find its parts. */
  put(value: EncodedValue): void {
    for (const part of value.parts) this.#files.putValue(part);
    this.#files.putValue(value);
  }

  get(digest: Digest): Found<unknown> {
    const plain = this.#files.plainBytes?.(digest);
    if (plain !== undefined) return { hit: true, value: decodePlain(plain) };
    return decodeFound(digest, this.#load);
  }

  reject(digest: Digest): boolean {
    const wrong = this.#partsOf(digest).filter((part) => !this.#isRight(part));
    return [digest, ...wrong].map((part) => this.#files.rejectValue(part)).some((again) => again);
  }

  #partsOf(digest: Digest): readonly Digest[] {
    const loaded = new Set<Digest>();
    try {
      decodeFound(digest, (part) => {
        loaded.add(part);
        return this.#files.getValue(part);
      });
    } catch (error) {
      // What cannot be decoded has no more parts than were asked for.
      if (!(error instanceof SyntaxError)) throw error;
    }
    loaded.delete(digest);
    return [...loaded];
  }

  /** A part is an array, which its digest covers as it is. */
  #isRight(part: Digest): boolean {
    try {
      const found = this.get(part);
      return !found.hit || digestValue(found.value) === part;
    } catch (error) {
      if (error instanceof SyntaxError) return false;
      throw error;
    }
  }
}

class FileCalls implements CallStore {
  readonly #files: DiskStorage;

  constructor(files: DiskStorage) {
    this.#files = files;
  }

  put({ key, ...fields }: CallRecord, lease?: Lease): boolean {
    return this.#files.putCall(key, fields, lease);
  }

  get(key: Digest): CallRecord | undefined {
    return toCallRecord(this.#files.getCall(key));
  }

  delete(key: Digest): boolean {
    return this.#files.deleteCall(key);
  }

  *records(damaged?: TellDamaged): Iterable<CallRecord> {
    for (const line of this.#files.calls(damaged)) {
      const record = toCallRecord(line);
      if (record !== undefined) yield record;
    }
  }
}

class BagCalls extends FileCalls {
  readonly #files: BagStorage;

  constructor(files: BagStorage) {
    super(files);
    this.#files = files;
  }

  follow(): CallFeed {
    return new BagFeed(this.#files);
  }
}

/** Follows the call log. */
class BagFeed implements CallFeed {
  readonly #files: BagStorage;
  #position: unknown;

  constructor(files: BagStorage) {
    this.#files = files;
  }

  *read(): Iterable<RecordChange> {
    const { position, lines } = this.#files.callChanges(this.#position);
    this.#position = position;
    if (lines === undefined) yield { type: "reset" };
    for (const { key, evicted } of lines ?? []) {
      const record = evicted ? undefined : toCallRecord(this.#files.getCall(key));
      yield record === undefined ? { type: "delete", key } : { type: "put", record };
    }
    if (lines !== undefined) return;
    for (const line of this.#files.calls()) {
      const record = toCallRecord(line);
      if (record !== undefined) yield { type: "put", record };
    }
  }
}

class BagSweeper implements ValueSweeper {
  readonly #files: BagStorage;

  constructor(files: BagStorage) {
    this.#files = files;
  }

  horizon(gracePeriod: number): Promise<number> {
    return this.#files.horizon(gracePeriod);
  }

  describe(digest: Digest): ValueDescription | undefined {
    const part = this.#files.describeValue(digest);
    if (part === undefined) return undefined;
    if (!mayRefer(part.kind)) return { bytes: part.length, parts: [] };
    const payload = this.#files.getValue(digest);
    return payload && { bytes: part.length, parts: referencesOf(payload) };
  }

  async sweep(live: ReadonlySet<Digest>, options: SweepOptions): Promise<SweepResult> {
    const { values, bytes } = await this.#files.compact({ live, ...options });
    return { values, bytes };
  }
}

class FileLeases implements LeaseStore {
  readonly board: WaitBoard;
  readonly place: string;
  readonly #files: DiskStorage;

  constructor(files: DiskStorage, place: string) {
    this.#files = files;
    this.place = place;
    this.board = { write: (note) => files.tellWaits(note), read: () => files.readWaits() };
  }

  tryAcquire(key: Digest): Lease | undefined {
    return this.#files.tryLease(key);
  }

  revoke(key: Digest): void {
    this.#files.revokeLease(key);
  }

  changed(key: Digest, signal?: AbortSignal): Promise<void> {
    return this.#files.leaseChanged(key, signal);
  }
}

/**
 * Makes a record of a line of the call log. A line that another program wrote may hold anything;
 * what is no record is no hit.
 *
 * @param line The line.
 * @returns The record, or `undefined`.
 */
export function toCallRecord(line: Record<string, unknown> | undefined): CallRecord | undefined {
  if (
    line === undefined || typeof line.key !== "string" || typeof line.result !== "string" ||
    typeof line.module !== "string" || typeof line.task !== "string" || !Array.isArray(line.args)
  ) return undefined;
  // The fields that a hit relies on were looked at; the rest is for people to read.
  return line as unknown as CallRecord;
}
