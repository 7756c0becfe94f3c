import type { CallFailure, CallRecord } from "../call/call_record.ts";
import type { Digest } from "../value/value.ts";
import { decodeCheckedLine, encodeCheckedLine } from "./checked_line.ts";
import type { CacheGuard } from "./disk_storage.ts";
import { toCallRecord } from "./disk_stores.ts";
import { LineLog, type LineLogOptions } from "./line_log.ts";
import { FAILURE_LIMITS, type FailureLimits, NewestFailures } from "./newest_failures.ts";
import type { FailureStore } from "./stores.ts";

/** From this size on, in bytes, the file is written anew with what is kept. */
const MOST_FILE_BYTES = 2 ** 23;

/** What stands where a record has its result. */
const NO_RESULT = "0".repeat(64);

/** Options of {@linkcode FailureLog}. */
interface FailureLogOptions extends Omit<LineLogOptions, "writable"> {
  /** Says what may be done. */
  readonly guard: CacheGuard;
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
 * The failures of calls, in a file of the directory of a bag or file cache: a checked line for each, and
 * for each that is forgotten. `FORMAT.md` specifies it ("failures.jsonl"). They are for people: what is
 * damaged or missing costs no call anything.
 */
export class FailureLog implements FailureStore {
  readonly seen: Set<Digest> = new Set();
  readonly #options: FailureLogOptions;
  readonly #log: LineLog;
  #newest: NewestFailures;

  /** Opens nothing yet. */
  constructor(options: FailureLogOptions) {
    this.#options = options;
    this.#log = new LineLog({ ...options, writable: options.guard.writable });
    this.#newest = new NewestFailures(options.limits);
  }

  /** As the interface says. */
  put(record: CallRecord): void {
    this.#options.guard.checkWritable("keep a failure in");
    this.#append(encodeFailure(record));
    this.seen.add(record.key);
    const { limits = FAILURE_LIMITS } = this.#options;
    if (this.seen.size > 2 * limits.most) this.#follow();
  }

  /** As the interface says. */
  delete(key: Digest): boolean {
    this.#options.guard.checkWritable("forget a failure of");
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
    this.#log.replace(this.records().map(encodeFailure));
  }

  /** Reads what is new, or all where the file is another one. */
  #follow(): void {
    const { guard, limits, mostFileBytes = MOST_FILE_BYTES } = this.#options;
    guard.checkOpen("read from");
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
    const content = decodeCheckedLine(line) ?? {};
    if (typeof content.cleared === "string") this.#newest.delete(content.cleared);
    const record = toFailure(content);
    if (record === undefined) return;
    this.#newest.put(record, line.length);
    this.seen.add(record.key);
  }
}

/**
 * Makes a line of a failure, which ends with a line feed.
 *
 * @param record The record of the call, with its failure.
 */
export function encodeFailure({ key, result: _, ...fields }: CallRecord): Uint8Array<ArrayBuffer> {
  return encodeLine("failed", key, JSON.stringify(fields).slice(1, -1));
}

/**
 * Makes a failure of what a checked line says, in which another program may have written anything.
 *
 * @returns The record of the call, or `undefined` where it is none.
 */
export function toFailure(
  { failed, ...fields }: Readonly<Record<string, unknown>>,
): CallRecord | undefined {
  const record = toCallRecord({ ...fields, key: failed, result: NO_RESULT });
  return isFailure(record?.failure) ? { ...record, result: "" } : undefined;
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
