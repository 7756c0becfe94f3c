import type { Digest } from "../../value/value.ts";
import {
  compareDigests,
  DIGEST_BYTES,
  readDigest,
  readRow,
  ROW_BYTES,
  type TableRow,
  toPrefix,
  toViewed,
  type ViewedBytes,
  writeRow,
} from "./digest_table.ts";

const FIRST_ROWS = 16;

/** How many slots there are for each row, at least. */
const SLOTS = 2;

/**
 * Rows in memory, found by their digests, as many as are added: 73 to 146 bytes each, where a map
 * from texts to objects takes three times that.
 */
export class DigestRows {
  #rows: ViewedBytes = toViewed(new Uint8Array(FIRST_ROWS * ROW_BYTES));
  /** What was noted about each row. */
  #marks = new Uint8Array(FIRST_ROWS);
  #size = 0;
  /** A hash table: the number of a row and 1, at the first free slot from its digest's on. */
  #slots = new Uint32Array(FIRST_ROWS * SLOTS);

  /** How many rows there are. */
  get size(): number {
    return this.#size;
  }

  /** The bytes of all rows, in the order in which they were added; good until the next is added. */
  get rows(): ViewedBytes {
    return toViewed(this.#rows.bytes.subarray(0, this.#size * ROW_BYTES));
  }

  /** Adds a row, or puts it in the place of the one with the same digest. */
  set(row: TableRow): void {
    const known = this.find(row.digest);
    if (known === -1 && this.#size === this.#slots.length / SLOTS) this.#grow();
    const index = known === -1 ? this.#size++ : known;
    writeRow(this.#rows, index * ROW_BYTES, row);
    this.mark(index, 0);
    if (known === -1) this.#insert(index, toPrefix(row.digest));
  }

  /**
   * Finds a row.
   *
   * @returns The number of the row, or -1.
   */
  find(digest: Digest): number {
    const prefix = toPrefix(digest);
    const mask = this.#slots.length - 1;
    for (let slot = prefix & mask;; slot = (slot + 1) & mask) {
      const index = (this.#slots[slot] ?? 0) - 1;
      if (index === -1) return -1;
      const at = index * ROW_BYTES;
      if (this.#rows.view.getUint32(at) !== prefix) continue;
      if (readDigest(this.#rows, at) === digest) return index;
    }
  }

  /**
   * Reads a row.
   *
   * @param index The number of the row.
   * @param digest The row's digest, where it is known already.
   */
  row(index: number, digest?: Digest): TableRow {
    return readRow(this.#rows, index * ROW_BYTES, digest);
  }

  /**
   * Notes something about a row.
   *
   * @param index The number of the row.
   * @param mark A number from 1 to 255; 0 is for no mark. Rows that go to a file have none.
   */
  mark(index: number, mark: number): void {
    this.#marks[index] = mark;
  }

  /**
   * What was noted about a row.
   *
   * @param index The number of the row.
   * @returns The mark, or 0; a row that was set again has none.
   */
  markOf(index: number): number {
    return this.#marks[index] ?? 0;
  }

  #insert(index: number, prefix: number): void {
    const mask = this.#slots.length - 1;
    let slot = prefix & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = index + 1;
  }

  #grow(): void {
    const rows = toViewed(new Uint8Array(this.#size * 2 * ROW_BYTES));
    rows.bytes.set(this.#rows.bytes);
    this.#rows = rows;
    const marks = new Uint8Array(this.#size * 2);
    marks.set(this.#marks);
    this.#marks = marks;
    this.#slots = new Uint32Array(this.#slots.length * 2);
    for (let index = 0; index < this.#size; index++) {
      this.#insert(index, rows.view.getUint32(index * ROW_BYTES));
    }
  }
}

/** A set of digests in one buffer, which another isolate gets without a copy. */
export class DigestSet {
  readonly #digests: ViewedBytes;

  /**
   * Takes what {@linkcode DigestSet.bytes} gave.
   *
   * @param bytes The digests in their order, 32 bytes each.
   */
  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#digests = toViewed(bytes);
  }

  /**
   * Takes digests in.
   *
   * @param digests The digests, each once.
   */
  static of(digests: Iterable<Digest>): DigestSet {
    const sorted = Array.from(digests).sort();
    const bytes = new Uint8Array(sorted.length * DIGEST_BYTES);
    sorted.forEach((digest, i) => bytes.subarray(i * DIGEST_BYTES).setFromHex(digest));
    return new DigestSet(bytes);
  }

  /** The digests in their order, 32 bytes each. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#digests.bytes;
  }

  /**
   * Tells whether a digest is in the set.
   *
   * @returns Whether it is.
   */
  has(digest: Digest): boolean {
    const { bytes, view } = this.#digests;
    const wanted = toPrefix(digest);
    for (let at = this.#find(wanted); at < bytes.length; at += DIGEST_BYTES) {
      if (view.getUint32(at) !== wanted) return false;
      if (bytes.subarray(at, at + DIGEST_BYTES).toHex() === digest) return true;
    }
    return false;
  }

  /**
   * Tells whether the digest is in the set that stands in a row.
   *
   * @param row The bytes of a row of a table.
   * @returns Whether it is.
   */
  hasRow(row: Uint8Array): boolean {
    const { bytes } = this.#digests;
    const [a = 0, b = 0, c = 0, d = 0] = row;
    let order = -1;
    for (
      let at = this.#find(a * 0x100_0000 + (b << 16) + (c << 8) + d);
      order < 0;
      at += DIGEST_BYTES
    ) {
      if (at >= bytes.length) return false;
      order = compareDigests(bytes, at, row, 0);
    }
    return order === 0;
  }

  /** Where the first digest begins whose prefix is no less. */
  #find(prefix: number): number {
    const { bytes, view } = this.#digests;
    let low = 0;
    let high = bytes.length / DIGEST_BYTES;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (view.getUint32(middle * DIGEST_BYTES) < prefix) low = middle + 1;
      else high = middle;
    }
    return low * DIGEST_BYTES;
  }
}
