import type { Digest } from "../value/value.ts";

/** How many bytes of lines are kept for certain, parsed; up to twice as many are. */
const LIMIT = 2 * 1024 * 1024;

/** The newest records that were read, parsed: to read and parse a line is half of a tiny hit. */
export class RecordCache {
  #recent = new Map<Digest, Record<string, unknown>>();
  #older = new Map<Digest, Record<string, unknown>>();
  #bytes = 0;

  /**
   * Finds a record.
   *
   * @param key The key of the call.
   * @returns The record, frozen, or `undefined`.
   */
  get(key: Digest): Record<string, unknown> | undefined {
    return this.#recent.get(key) ?? this.#older.get(key);
  }

  /**
   * Keeps a record, and freezes all of it.
   *
   * @param key The key of the call.
   * @param record The record.
   * @param bytes How long its line is.
   */
  set(key: Digest, record: Record<string, unknown>, bytes: number): void {
    if (this.#bytes + bytes > LIMIT) {
      this.#older = this.#recent;
      this.#recent = new Map();
      this.#bytes = 0;
    }
    this.#recent.set(key, freeze(record));
    this.#bytes += bytes;
  }

  /**
   * Forgets a record, as there is a newer line of its key.
   *
   * @param key The key of the call.
   */
  delete(key: Digest): void {
    this.#recent.delete(key);
    this.#older.delete(key);
  }
}

/** JSON has no cycles, and is not deep: the line was written by a stack of calls. */
function freeze<T extends object>(json: T): T {
  for (const child of Object.values(json)) {
    if (typeof child === "object" && child !== null) freeze(child);
  }
  return Object.freeze(json);
}
