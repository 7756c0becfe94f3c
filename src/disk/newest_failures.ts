import type { CallRecord } from "../call/call_record.ts";
import type { Digest } from "../value/value.ts";

/** How much is kept. */
export interface FailureLimits {
  /** How many failures. */
  readonly most: number;
  /** How many bytes they take, with their arguments. */
  readonly mostBytes: number;
}

/** So much a cache keeps: the newest thousand, and 16 MiB with the arguments that are kept for them. */
export const FAILURE_LIMITS: FailureLimits = { most: 1000, mostBytes: 2 ** 24 };

/** The newest failure of each call, no more than there may be. */
export class NewestFailures {
  readonly #limits: FailureLimits;
  /** A map keeps the order of insertion. */
  readonly #failures = new Map<Digest, { readonly record: CallRecord; readonly bytes: number }>();
  #bytes = 0;

  /** Knows none. */
  constructor(limits: FailureLimits = FAILURE_LIMITS) {
    this.#limits = limits;
  }

  /**
   * Takes one, which is the newest.
   *
   * @param bytes What it takes without its arguments.
   * @returns The calls whose failures had to go.
   */
  put(record: CallRecord, bytes: number): Digest[] {
    this.delete(record.key);
    const all = bytes + (record.failure?.bytes ?? 0);
    this.#failures.set(record.key, { record, bytes: all });
    this.#bytes += all;
    const { most, mostBytes } = this.#limits;
    const gone: Digest[] = [];
    for (const key of this.#failures.keys()) {
      if (this.#failures.size <= most && this.#bytes <= mostBytes) break;
      this.delete(key);
      gone.push(key);
    }
    return gone;
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
