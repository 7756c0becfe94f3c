import type { BagFiles, BagOptions } from "../bag/bag_files.ts";
import type { CallRecord } from "../call/call_record.ts";
import type { Digest, EncodedValue } from "../value/encoded_value.ts";
import { decodeFound } from "./decode_found.ts";
import { MemoryLeases } from "./memory_stores.ts";
import { mayRefer, referencesOf } from "../value/references_of.ts";
import type {
  CallFeed,
  CallStore,
  Found,
  Lease,
  LeaseStore,
  RecordChange,
  Stores,
  SweepOptions,
  SweepResult,
  ValueDescription,
  ValueStore,
  ValueSweeper,
} from "./stores.ts";

/**
 * Makes a bag's files into stores of values, records and leases.
 *
 * @param files The open bag. It stays the caller's to close.
 * @param options How it was opened.
 * @returns The stores.
 */
export function createBagStores(files: BagFiles, options: BagOptions = {}): Stores {
  const { path, mode } = files;
  const { fold: _, ...shared } = options;
  return {
    values: new BagValues(files),
    calls: new BagCalls(files),
    // Who may not write stores no result, so there is nothing that others could wait for.
    leases: mode === "read" ? new MemoryLeases() : new BagLeases(files),
    sweeper: new BagSweeper(files),
    readOnly: mode === "read",
    description: { type: "bag", path, options: shared },
  };
}

class BagValues implements ValueStore {
  readonly #files: BagFiles;

  constructor(files: BagFiles) {
    this.#files = files;
  }

  /** Parts first: whoever sees the value must find its parts. */
  put(value: EncodedValue): void {
    for (const part of value.parts) this.#files.putValue(part);
    this.#files.putValue(value);
  }

  get(digest: Digest): Found<unknown> {
    return decodeFound(digest, (part) => this.#files.getValue(part));
  }
}

class BagCalls implements CallStore {
  readonly #files: BagFiles;

  constructor(files: BagFiles) {
    this.#files = files;
  }

  put({ key, ...fields }: CallRecord): void {
    this.#files.putCall(key, fields);
  }

  get(key: Digest): CallRecord | undefined {
    return toCallRecord(this.#files.getCall(key));
  }

  delete(key: Digest): boolean {
    return this.#files.deleteCall(key);
  }

  *records(): Iterable<CallRecord> {
    for (const line of this.#files.calls()) {
      const record = toCallRecord(line);
      if (record !== undefined) yield record;
    }
  }

  follow(): CallFeed {
    return new BagFeed(this.#files);
  }
}

/** Follows the call log. */
class BagFeed implements CallFeed {
  readonly #files: BagFiles;
  #position: unknown;

  constructor(files: BagFiles) {
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
  readonly #files: BagFiles;

  constructor(files: BagFiles) {
    this.#files = files;
  }

  horizon(grace: number): Promise<number> {
    return this.#files.horizon(grace);
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

class BagLeases implements LeaseStore {
  readonly #files: BagFiles;

  constructor(files: BagFiles) {
    this.#files = files;
  }

  tryAcquire(key: Digest): Lease | undefined {
    return this.#files.tryLease(key);
  }

  changed(key: Digest, signal?: AbortSignal): Promise<void> {
    return this.#files.leaseChanged(key, signal);
  }
}

/** A line that another program wrote may hold anything; what is no record is no hit. */
function toCallRecord(line: Record<string, unknown> | undefined): CallRecord | undefined {
  if (
    line === undefined || typeof line.key !== "string" || typeof line.result !== "string" ||
    typeof line.module !== "string" || typeof line.task !== "string" || !Array.isArray(line.args)
  ) return undefined;
  // The fields that a hit relies on were looked at; the rest is for people to read.
  return line as unknown as CallRecord;
}
