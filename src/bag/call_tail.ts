import type { Digest } from "../value/value.ts";
import type { CallLine } from "./call_scan.ts";
import { DigestRows } from "./digest_rows.ts";
import { PLACE, type RowBytes, type TableRow } from "./table_row.ts";

const RECORD = 0;
const EVICTED = 1;

/** The newest line of each key in the part of the call log that has no table. */
export class CallTail {
  readonly #lines = new DigestRows();

  /** The lines as the rows of a table; the kind tells a record from an eviction. */
  get rows(): RowBytes {
    return this.#lines.rows;
  }

  /**
   * Takes a line, which is newer than all before it.
   *
   * @param line The line.
   */
  set({ key, evicted, offset, length }: CallLine): void {
    const kind = evicted ? EVICTED : RECORD;
    this.#lines.set({ digest: key, offset, length, kind, crc: 0, place: PLACE.subject });
  }

  /**
   * Finds the newest line of a key.
   *
   * @param key The key of the call.
   * @returns The line, or `undefined` when the tail has none.
   */
  get(key: Digest): CallLine | undefined {
    const index = this.#lines.size === 0 ? -1 : this.#lines.find(key);
    return index === -1 ? undefined : toLine(this.#lines.row(index, key));
  }

  /** Goes over the lines; a key stands where it came first. */
  *lines(): Generator<CallLine> {
    for (let index = 0; index < this.#lines.size; index++) yield toLine(this.#lines.row(index));
  }

  /**
   * Leaves out what a table has.
   *
   * @param offset Where the tail begins from now on, in bytes.
   * @returns The lines from there on.
   */
  from(offset: number): CallTail {
    const rest = new CallTail();
    for (const line of this.lines()) {
      if (line.offset >= offset) rest.set(line);
    }
    return rest;
  }
}

/**
 * Tells whether a row of a tail is an eviction.
 *
 * @param kind The kind of the row.
 * @returns Whether the key is forgotten.
 */
export function isEviction(kind: number): boolean {
  return kind === EVICTED;
}

function toLine({ digest, offset, length, kind }: TableRow): CallLine {
  return { key: digest, evicted: isEviction(kind), offset, length };
}
