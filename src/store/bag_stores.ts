import type { BagFiles, BagOptions } from "../bag/bag_files.ts";
import type { CallRecord } from "../call/call_record.ts";
import type { Digest, EncodedValue } from "../value/encoded_value.ts";
import { decodeFound } from "./decode_found.ts";
import { MemoryLeases } from "./memory_stores.ts";
import type { CallStore, Found, Lease, LeaseStore, Stores, ValueStore } from "./stores.ts";

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
