import { type Cell, compareCells, toIdentity } from "./cells.ts";
import { DigestTable } from "./digest_table.ts";
import { sortByNumber } from "./sort_numbers.ts";

/** What a column is about, which tells the page how to write it. */
export type ColumnKind = "fact" | "time" | "duration" | "value";

/** Numbers of a fixed width, as many as there are rows. */
export class RowNumbers<A extends Float64Array | Uint32Array> {
  #array: A;
  readonly #create: (length: number) => A;

  /** @param create Makes an array with what stands in it before anything was set. */
  constructor(create: (length: number) => A) {
    this.#create = create;
    this.#array = create(64);
  }

  /** The numbers, with more behind the last row. */
  upTo(rows: number): A {
    if (rows > this.#array.length) {
      const longer = this.#create(Math.max(rows, 2 * this.#array.length));
      longer.set(this.#array);
      this.#array = longer;
    }
    return this.#array;
  }

  /** Sets the number of a row. */
  set(row: number, value: number): void {
    this.upTo(row + 1)[row] = value;
  }
}

/** A column of the table of calls. */
export interface Column {
  /** Its name, as filters and the page know it. */
  readonly name: string;
  /** What it is about. */
  readonly kind: ColumnKind;
  /** How many of its distinct values were read; all of them, where there is nothing to read. */
  readonly read: number;
  /** How many distinct values it has; `undefined` where nobody counts them. */
  readonly distinct: number | undefined;
  /** What stands in a row. */
  cell(row: number): Cell;
  /** By what a row is told from others: the digest of a value, where it has one. */
  digest(row: number): string | undefined;
  /** Marks the rows for which a test holds. */
  mark(rows: number, test: CellTest): Uint8Array;
  /** The rows in ascending order, and what is empty last; as it is now. */
  order(rows: number): Uint32Array;
  /** Counts the distinct cells of the rows that are marked; `undefined` where nobody counts them. */
  count(marked: Uint8Array): CellCount[] | undefined;
  /** Tells whether what stands in some rows is not all the same. */
  differs(rows: Uint32Array): boolean;
  /** Tells whether anything stands in some rows. */
  hasAny(rows: Uint32Array): boolean;
  /** Whether all that stands in it are objects whose fields are columns of their own. */
  readonly isSpread: boolean;
}

/** What a filter asks of a cell. */
export interface CellTest {
  /** The digests of values that it names. */
  readonly digests?: readonly string[];
  /** Tells whether a cell is wanted, whose value is one of those that are named, or is none. */
  admits(cell: Cell, isNamed: boolean): boolean;
}

/** How often something stands in a column. */
export interface CellCount {
  /** What. */
  readonly cell: Cell;
  /** Its digest, where it has one. */
  readonly digest?: string;
  /** How often. */
  readonly count: number;
}

/** A number for each row. */
export class NumberColumn implements Column {
  readonly distinct = undefined;
  readonly isSpread = false;
  readonly read = 0;
  readonly #numbers = new RowNumbers((length) => new Float64Array(length).fill(NaN));

  constructor(readonly name: string, readonly kind: "time" | "duration") {}

  set(row: number, value: number): void {
    this.#numbers.set(row, value);
  }

  /** The number of a row, NaN if it has none. */
  number(row: number): number {
    return this.#numbers.upTo(row + 1)[row] ?? NaN;
  }

  cell(row: number): Cell {
    const value = this.number(row);
    return Number.isNaN(value) ? undefined : value;
  }

  digest(): undefined {
    return undefined;
  }

  mark(rows: number, test: CellTest): Uint8Array {
    const numbers = this.#numbers.upTo(rows);
    const marked = new Uint8Array(rows);
    for (let row = 0; row < rows; row++) {
      const value = numbers[row] ?? NaN;
      marked[row] = test.admits(Number.isNaN(value) ? undefined : value, false) ? 1 : 0;
    }
    return marked;
  }

  order(rows: number): Uint32Array {
    return sortByNumber(this.#numbers.upTo(rows).subarray(0, rows));
  }

  count(): undefined {
    return undefined;
  }

  differs(rows: Uint32Array): boolean {
    const first = this.cell(rows[0] ?? 0);
    return rows.some((row) => this.cell(row) !== first);
  }

  hasAny(rows: Uint32Array): boolean {
    return rows.some((row) => this.cell(row) !== undefined);
  }
}

/** What many rows have in common is kept once: each row has the number of its cell. */
abstract class SharedColumn implements Column {
  abstract readonly name: string;
  abstract readonly kind: ColumnKind;
  /** For each row the number of what stands there plus one; 0 where nothing does. */
  readonly ids: RowNumbers<Uint32Array>;

  constructor(ids: RowNumbers<Uint32Array>) {
    this.ids = ids;
  }

  abstract get distinct(): number;

  abstract get read(): number;

  get isSpread(): boolean {
    return false;
  }

  /** What a number stands for. */
  protected abstract cellOf(id: number): Cell;

  /** The digest of what a number stands for. */
  protected digestOf(_id: number): string | undefined {
    return undefined;
  }

  /** The number of what has a digest, -1 if there is none. */
  protected find(_digest: string): number {
    return -1;
  }

  cell(row: number): Cell {
    const id = this.ids.upTo(row + 1)[row] ?? 0;
    return id === 0 ? undefined : this.cellOf(id - 1);
  }

  digest(row: number): string | undefined {
    const id = this.ids.upTo(row + 1)[row] ?? 0;
    return id === 0 ? undefined : this.digestOf(id - 1);
  }

  mark(rows: number, test: CellTest): Uint8Array {
    const ids = this.ids.upTo(rows);
    const admitted = new Uint8Array(this.distinct + 1);
    admitted[0] = test.admits(undefined, false) ? 1 : 0;
    const named = new Set(test.digests?.map((digest) => this.find(digest)));
    for (let id = 0; id < this.distinct; id++) {
      admitted[id + 1] = test.admits(this.cellOf(id), named.has(id)) ? 1 : 0;
    }
    const marked = new Uint8Array(rows);
    for (let row = 0; row < rows; row++) marked[row] = admitted[ids[row] ?? 0] ?? 0;
    return marked;
  }

  order(rows: number): Uint32Array {
    const { distinct } = this;
    const cells = Array.from({ length: distinct }, (_, id) => this.cellOf(id));
    const ranks = new Float64Array(distinct + 1).fill(NaN);
    const isNumeric = cells.every((cell) => typeof cell === "number" || cell === undefined);
    if (isNumeric) {
      cells.forEach((cell, id) => ranks[id + 1] = typeof cell === "number" ? cell : NaN);
    } else {
      const sorted = cells.map((_, id) => id).sort((a, b) => compareCells(cells[a], cells[b]));
      let rank = 0;
      sorted.forEach((id, at) => {
        const before = sorted[at - 1];
        if (before !== undefined && compareCells(cells[before], cells[id]) !== 0) rank = at;
        ranks[id + 1] = cells[id] === undefined ? NaN : rank;
      });
    }
    const ids = this.ids.upTo(rows);
    const keys = new Float64Array(rows);
    for (let row = 0; row < rows; row++) keys[row] = ranks[ids[row] ?? 0] ?? NaN;
    return sortByNumber(keys);
  }

  count(marked: Uint8Array): CellCount[] {
    const ids = this.ids.upTo(marked.length);
    const counts = new Uint32Array(this.distinct + 1);
    for (let row = 0; row < marked.length; row++) {
      if (marked[row] === 0) continue;
      const id = ids[row] ?? 0;
      counts[id] = (counts[id] ?? 0) + 1;
    }
    const found: CellCount[] = [];
    counts.forEach((count, id) => {
      if (count === 0) return;
      const digest = id === 0 ? undefined : this.digestOf(id - 1);
      const cell = id === 0 ? undefined : this.cellOf(id - 1);
      found.push({ cell, count, ...(digest !== undefined && { digest }) });
    });
    return found;
  }

  hasAny(rows: Uint32Array): boolean {
    return rows.some((row) => this.cell(row) !== undefined);
  }

  differs(rows: Uint32Array): boolean {
    const ids = this.ids.upTo((rows.at(-1) ?? 0) + 1);
    const first = ids[rows[0] ?? 0] ?? 0;
    const cell = first === 0 ? undefined : toIdentity(this.cellOf(first - 1));
    return rows.some((row) => {
      const id = ids[row] ?? 0;
      if (id === first) return false;
      // Numbers of a field's cells are those of the values that have it.
      return this.digestOf(0) !== undefined || id === 0 || first === 0 ||
        toIdentity(this.cellOf(id - 1)) !== cell;
    });
  }
}

/** What records say in as many words: the task, a tag, a field of the metadata. */
export class FactColumn extends SharedColumn {
  override readonly kind = "fact";
  readonly #cells: Cell[] = [];
  readonly #known = new Map<string, number>();

  constructor(override readonly name: string) {
    super(new RowNumbers((length) => new Uint32Array(length)));
  }

  set(row: number, cell: Cell): void {
    const identity = toIdentity(cell);
    let id = this.#known.get(identity);
    if (id === undefined) {
      id = this.#cells.push(cell);
      this.#known.set(identity, id);
    }
    this.ids.set(row, cell === undefined ? 0 : id);
  }

  override get distinct(): number {
    return this.#cells.length;
  }

  override get read(): number {
    return this.#cells.length;
  }

  protected override cellOf(id: number): Cell {
    return this.#cells[id];
  }
}

/** Values that records name by their digests: an argument, or the results. They are read later. */
export class ValueColumn extends SharedColumn {
  override readonly kind = "value";
  /** The digests, in the order of their numbers. */
  readonly digests = new DigestTable();
  /** The fields of values that are plain objects, each a column of its own. */
  readonly fields = new Map<string, FieldColumn>();
  readonly #cells: Cell[] = [];
  #spread = 0;

  constructor(override readonly name: string) {
    super(new RowNumbers((length) => new Uint32Array(length)));
  }

  set(row: number, digest: string): void {
    this.ids.set(row, this.digests.add(digest) + 1);
  }

  override get distinct(): number {
    return this.digests.size;
  }

  override get read(): number {
    return this.#cells.length;
  }

  /**
   * Tells what the next value is that was not read yet.
   *
   * @param isSpread Whether its fields are columns.
   */
  learn(cell: Cell, isSpread = false): void {
    this.#cells.push(cell);
    if (isSpread) this.#spread++;
  }

  override get isSpread(): boolean {
    return this.#spread > 0 && this.#spread === this.#cells.length;
  }

  protected override cellOf(id: number): Cell {
    return this.#cells[id];
  }

  protected override digestOf(id: number): string {
    return this.digests.at(id);
  }

  protected override find(digest: string): number {
    return this.digests.find(digest);
  }
}

/** A field of values that are plain objects. */
export class FieldColumn extends SharedColumn {
  override readonly kind = "fact";
  readonly #parent: ValueColumn;
  readonly #cells: Cell[] = [];

  constructor(parent: ValueColumn, override readonly name: string) {
    super(parent.ids);
    this.#parent = parent;
  }

  /** Tells what the field is in the value that is learnt next. */
  learn(cell: Cell): void {
    this.#cells[this.#parent.read] = cell;
  }

  override get distinct(): number {
    return this.#parent.distinct;
  }

  override get read(): number {
    return this.#parent.read;
  }

  protected override cellOf(id: number): Cell {
    return this.#cells[id];
  }
}

/** Adds up the counts of what is the same, the most frequent first. */
export function mergeCounts(counts: readonly CellCount[]): CellCount[] {
  const merged = new Map<string, CellCount>();
  for (const count of counts) {
    const identity = count.digest ?? toIdentity(count.cell);
    const known = merged.get(identity);
    merged.set(
      identity,
      known === undefined ? count : { ...known, count: known.count + count.count },
    );
  }
  return [...merged.values()].sort((a, b) => b.count - a.count || compareCells(a.cell, b.cell));
}
