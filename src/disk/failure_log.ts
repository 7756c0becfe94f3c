import type { CallFailure, CallRecord } from "../call/call_record.ts";
import type { Digest } from "../value/value.ts";
import { decodeCheckedLine, encodeCheckedLine } from "./checked_line.ts";
import { toCallRecord } from "./disk_stores.ts";
import {
  DISK,
  type FileSystem,
  lookAt,
  openShared,
  readAt,
  replaceFile,
  writeAll,
} from "./file_system.ts";
import { likeDirectory } from "./ownership.ts";
import type { FailureStore } from "./stores.ts";

/** So many failures are kept, the newest. */
const MOST_FAILURES = 1000;

/** So many bytes, those of the arguments included that are kept for them. */
const MOST_BYTES = 2 ** 24;

/** From this size on, in bytes, the file is written anew with what is kept. */
const MOST_FILE_BYTES = 2 ** 23;

const LINE_FEED = 0x0a;

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
interface FailureLogOptions {
  /** The directory of the bag. */
  readonly root: string;
  /** Where the lines are. */
  readonly path: string;
  /** Whether lines may be added. */
  readonly writable: boolean;
  /**
   * What it stands on.
   *
   * @default {DISK}
   */
  readonly fileSystem?: FileSystem;
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
  readonly #fileSystem: FileSystem;
  #newest: NewestFailures;
  /** How far the file was read, and which one it was. */
  #read = { ino: -1, length: 0 };

  /** Opens nothing yet. */
  constructor(options: FailureLogOptions) {
    this.#options = options;
    const { fileSystem = DISK, root, writable, limits } = options;
    this.#fileSystem = writable ? likeDirectory(fileSystem, root) : fileSystem;
    this.#newest = new NewestFailures(limits);
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
    const { path, mostFileBytes = MOST_FILE_BYTES } = this.#options;
    if ((lookAt(path)?.size ?? 0) >= mostFileBytes) this.#compact(path);
    using file = openShared(this.#fileSystem, path, { append: true });
    writeAll(this.#fileSystem, file, line);
  }

  /** What somebody adds meanwhile is lost: it is one of very many. */
  #compact(path: string): void {
    const lines = this.records().map(({ key, result: _, ...fields }) =>
      encodeLine("failed", key, JSON.stringify(fields).slice(1, -1))
    );
    replaceFile(this.#fileSystem, path, lines);
    this.#read = { ino: -1, length: 0 };
  }

  /** Reads what is new, or all where the file is another one. */
  #follow(): void {
    const { path, limits } = this.#options;
    const info = lookAt(path);
    const ino = info?.ino ?? 0;
    const size = info?.size ?? 0;
    const isSame = info !== undefined && ino === this.#read.ino && size >= this.#read.length;
    if (!isSame) {
      this.#newest = new NewestFailures(limits);
      this.seen.clear();
    }
    // What is larger than it is to be was made so by somebody else.
    const { mostFileBytes = MOST_FILE_BYTES } = this.#options;
    const from = Math.max(isSame ? this.#read.length : 0, size - 2 * mostFileBytes);
    if (size === from) return;
    using file = this.#fileSystem.open(path, { read: true });
    const bytes = new Uint8Array(size - from);
    if (!readAt(file, from, bytes)) return;
    // A line without its end may still be written.
    const whole = bytes.subarray(0, bytes.lastIndexOf(LINE_FEED) + 1);
    this.#read = { ino, length: from + whole.length };
    for (let at = 0; at < whole.length;) {
      const end = whole.indexOf(LINE_FEED, at);
      if (end > at) this.#take(whole.subarray(at, end));
      at = end + 1;
    }
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
