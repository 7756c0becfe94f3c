import type { CallFailure, CallRecord } from "../call/call_record.ts";
import type { Digest } from "../value/value.ts";
import { decodeCheckedLine, encodeCheckedLine } from "./checked_line.ts";
import { toCallRecord } from "./disk_stores.ts";
import { LineLog, type LineLogOptions } from "./line_log.ts";
import type { FailureStore } from "./stores.ts";

/** So many failures are kept, the newest. */
const MOST_FAILURES = 1000;

/** So many bytes, those of the arguments included that are kept for them. */
const MOST_BYTES = 2 ** 24;

/** From this size on, in bytes, the file is written anew with what is kept. */
const MOST_FILE_BYTES = 2 ** 23;

/** What stands where a record has its result. */
const NO_RESULT = "0".repeat(64);

/** How much is kept. */
export interface FailureLimits {
  /** How many failures. */
  readonly most: number;
  /** How many bytes they take, with their arguments. */
  readonly mostBytes: number;
}

const LIMITS: FailureLimits = { most: MOST_FAILURES, mostBytes: MOST_BYTES };

/** The newest failure of each call, no more than there may be. */
export class NewestFailures {
  readonly #limits: FailureLimits;
  /** A map keeps the order of insertion. */
  readonly #failures = new Map<Digest, { readonly record: CallRecord; readonly bytes: number }>();
  #bytes = 0;

  /** Knows none. */
  constructor(limits: FailureLimits = LIMITS) {
    this.#limits = limits;
  }

  /**
   * Takes one, which is the newest.
   *
   * @param bytes What it takes without its arguments.
   */
  put(record: CallRecord, bytes: number): void {
    this.delete(record.key);
    const all = bytes + (record.failure?.bytes ?? 0);
    this.#failures.set(record.key, { record, bytes: all });
    this.#bytes += all;
    const { most, mostBytes } = this.#limits;
    for (const key of this.#failures.keys()) {
      if (this.#failures.size <= most && this.#bytes <= mostBytes) return;
      this.delete(key);
    }
  }

  /** Forgets one, and tells whether it was known. */
  delete(key: Digest): boolean {
    this.#bytes -= this.#failures.get(key)?.bytes ?? 0;
    return this.#failures.delete(key);
  }

  /** Finds one. */
  get(key: Digest): CallRecord | undefined {
    return this.#failures.get(key)?.record;
  }

  /** All, the oldest first. */
  records(): CallRecord[] {
    return Array.from(this.#failures.values(), ({ record }) => record);
  }
}

/** Options of {@linkcode FailureLog}. */
interface FailureLogOptions extends LineLogOptions {
  /** How much is kept; by default 1000 failures of 16 MiB. */
  readonly limits?: FailureLimits;
  /**
   * From which size on the file is written anew, in bytes.
   *
   * @default {8388608}
   */
  readonly mostFileBytes?: number;
}

/**
 * The failures of calls, in a file of the bag's directory: a checked line for each, and for each that is
 * forgotten. `FORMAT.md` specifies it ("failures.jsonl"). They are for people: what is damaged or missing
 * costs no call anything.
 */
export class FailureLog implements FailureStore {
  readonly seen: Set<Digest> = new Set();
  readonly #options: FailureLogOptions;
  readonly #log: LineLog;
  #newest: NewestFailures;

  /** Opens nothing yet. */
  constructor(options: FailureLogOptions) {
    this.#options = options;
    this.#log = new LineLog(options);
    this.#newest = new NewestFailures(options.limits);
  }

  /** As the interface says. */
  put(record: CallRecord): void {
    const { key, result: _, ...fields } = record;
    this.#append(encodeLine("failed", key, JSON.stringify(fields).slice(1, -1)));
    this.seen.add(key);
    const { limits = LIMITS } = this.#options;
    if (this.seen.size > 2 * limits.most) this.#follow();
  }

  /** As the interface says. */
  delete(key: Digest): boolean {
    this.seen.delete(key);
    if (this.get(key) === undefined) return false;
    this.#append(encodeLine("cleared", key));
    return true;
  }

  /** As the interface says. */
  get(key: Digest): CallRecord | undefined {
    this.#follow();
    return this.#newest.get(key);
  }

  /** As the interface says. */
  records(): CallRecord[] {
    this.#follow();
    return this.#newest.records();
  }

  #append(line: Uint8Array): void {
    const { mostFileBytes = MOST_FILE_BYTES } = this.#options;
    if (this.#log.size >= mostFileBytes) this.#compact();
    this.#log.append(line);
  }

  #compact(): void {
    const lines = this.records().map(({ key, result: _, ...fields }) =>
      encodeLine("failed", key, JSON.stringify(fields).slice(1, -1))
    );
    this.#log.replace(lines);
  }

  /** Reads what is new, or all where the file is another one. */
  #follow(): void {
    const { limits, mostFileBytes = MOST_FILE_BYTES } = this.#options;
    // What is larger than it is to be was made so by somebody else.
    const { all, lines } = this.#log.read(2 * mostFileBytes);
    if (all) {
      this.#newest = new NewestFailures(limits);
      this.seen.clear();
    }
    for (const line of lines) this.#take(line);
    for (const key of this.seen) if (this.#newest.get(key) === undefined) this.seen.delete(key);
  }

  #take(line: Uint8Array): void {
    const { failed, cleared, ...fields } = decodeCheckedLine(line) ?? {};
    if (typeof cleared === "string") this.#newest.delete(cleared);
    const record = toCallRecord({ ...fields, key: failed, result: NO_RESULT });
    if (record === undefined || !isFailure(record.failure)) return;
    this.#newest.put({ ...record, result: "" }, line.length);
    this.seen.add(record.key);
  }
}

function encodeLine(
  kind: "failed" | "cleared",
  key: Digest,
  fields: string = "",
): Uint8Array<ArrayBuffer> {
  return encodeCheckedLine(`{"${kind}":"${key}"${fields === "" ? "" : ","}${fields}`);
}

/** Another program may have written anything. */
function isFailure(failure: unknown): failure is CallFailure {
  const { error, attempts, bytes, output }: Partial<CallFailure> = Object(failure);
  const { name, message }: Partial<CallFailure["error"]> = Object(error);
  return typeof name === "string" && typeof message === "string" && typeof attempts === "number" &&
    typeof bytes === "number" && bytes >= 0 && (output === undefined || typeof output === "string");
}
