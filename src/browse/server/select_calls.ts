import type { CallIndex } from "./call_index.ts";
import { type Cell, compareCells, toIdentity, toSearchText } from "./cells.ts";
import { type CellCount, type CellTest, type Column, FactColumn, mergeCounts } from "./columns.ts";

/** What the cells of one column are to be. */
export interface ColumnFilter {
  /** The column. */
  readonly column: string;
  /** Those that are equal to one of these, `null` for what is empty; or to none of them, if `not` is set. */
  readonly is?: readonly (Cell | null | { readonly digest: string })[];
  /** Whether what is named by `is` is left out. */
  readonly not?: boolean;
  /** Numbers from this on. */
  readonly from?: number;
  /** Numbers up to this. */
  readonly to?: number;
  /** Texts with this in them, in whatever case. */
  readonly has?: string;
}

/** Which calls are wanted, and in which order. */
export interface Selection {
  /** What they have in common. */
  readonly filters: readonly ColumnFilter[];
  /** A text that stands somewhere in them. */
  readonly search: string;
  /** The column that they are ordered by, with "-" before it for the greatest first. */
  readonly sort: string;
}

/** The calls that are wanted. */
export interface SelectedCalls {
  /** Their rows, in their order. */
  readonly rows: Uint32Array;
  /** Counts what stands in a column, in the calls that all filters but that of the column let through. */
  count(column: Column): CellCount[] | undefined;
}

/** Orders of columns that were asked for, for as long as nothing changes. */
export class SortedRows {
  readonly #orders = new Map<string, { readonly version: number; readonly rows: Uint32Array }>();

  /** The rows in the ascending order of a column. */
  of(index: CallIndex, column: Column): Uint32Array {
    const { version } = index.progress;
    const known = this.#orders.get(column.name);
    if (known?.version === version) return known.rows;
    const rows = column.order(index.rows);
    // Others than the last few are seldom asked for again.
    if (this.#orders.size >= 4) this.#orders.clear();
    this.#orders.set(column.name, { version, rows });
    return rows;
  }
}

/**
 * Selects calls.
 *
 * @throws {RangeError} When there is no such column.
 */
export function selectCalls(
  index: CallIndex,
  { filters, search, sort }: Selection,
  sorted: SortedRows,
): SelectedCalls {
  const { rows } = index;
  const marks = filters.map((filter) => {
    const column = findColumn(index, filter.column);
    return { column, marked: column.mark(rows, toTest(filter)) };
  });
  const found = search === "" ? undefined : searchCalls(index, search);
  /** How many filters leave a row out, and which one was the last. */
  const misses = new Uint8Array(rows);
  const missed = new Uint8Array(rows);
  marks.forEach(({ marked }, at) => {
    for (let row = 0; row < rows; row++) {
      if (marked[row] === 1) continue;
      misses[row] = Math.min((misses[row] ?? 0) + 1, 255);
      missed[row] = at;
    }
  });
  const { known } = index;
  for (let row = 0; row < rows; row++) {
    if (known[row] !== 1 || found !== undefined && found[row] === 0) misses[row] = 255;
  }
  return {
    rows: pick(toOrder(index, sort, sorted), misses),
    count(column) {
      const own = marks.map((mark) => mark.column === column ? 1 : 0);
      const counted = new Uint8Array(rows);
      for (let row = 0; row < rows; row++) {
        const count = misses[row];
        counted[row] = count === 0 || count === 1 && own[missed[row] ?? 0] === 1 ? 1 : 0;
      }
      return column.count(counted);
    },
  };
}

/** Leaves out the rows that have missed something. */
function pick(order: Uint32Array, misses: Uint8Array): Uint32Array {
  const rows = new Uint32Array(order.length);
  let taken = 0;
  for (const row of order) if (misses[row] === 0) rows[taken++] = row;
  return rows.subarray(0, taken);
}

function toOrder(index: CallIndex, sort: string, sorted: SortedRows): Uint32Array {
  const isReverse = sort.startsWith("-");
  const column = findColumn(index, isReverse ? sort.slice(1) : sort);
  const ascending = sorted.of(index, column);
  if (!isReverse) return ascending;
  // What is empty comes last in both directions.
  let filled = ascending.length;
  while (filled > 0 && column.cell(ascending[filled - 1] ?? 0) === undefined) filled--;
  const rows = ascending.slice();
  rows.subarray(0, filled).reverse();
  return rows;
}

/**
 * Finds a column. For as long as calls and values are being read it may only not be known yet: then it is
 * one in which nothing stands so far.
 *
 * @throws {RangeError} When there is none of the name.
 */
export function findColumn(index: CallIndex, name: string): Column {
  const column = index.column(name);
  if (column !== undefined) return column;
  if (!index.isRead) return new FactColumn(name);
  throw new RangeError(`Cannot find the column "${name}": there is none`);
}

function toTest({ is, not = false, from, to, has }: ColumnFilter): CellTest {
  const wanted = new Set<string>();
  const digests: string[] = [];
  for (const one of is ?? []) {
    if (typeof one === "object" && one !== null && "digest" in one) digests.push(one.digest);
    else wanted.add(toIdentity(one ?? undefined));
  }
  const text = has?.toLowerCase();
  return {
    digests,
    admits(cell, isNamed) {
      const isOne = isNamed || wanted.size > 0 && wanted.has(toIdentity(cell));
      if (is !== undefined && isOne === not) return false;
      if (from !== undefined && !(typeof cell === "number" && cell >= from)) return false;
      if (to !== undefined && !(typeof cell === "number" && cell <= to)) return false;
      return text === undefined || toSearchText(cell).includes(text);
    },
  };
}

function searchCalls(index: CallIndex, search: string): Uint8Array {
  const found = new Uint8Array(index.rows);
  const text = search.toLowerCase();
  const test: CellTest = { admits: (cell) => toSearchText(cell).includes(text) };
  for (const column of index.columns()) {
    if (column.kind === "time" || column.kind === "duration") continue;
    const marked = column.mark(index.rows, test);
    for (let row = 0; row < marked.length; row++) if (marked[row] === 1) found[row] = 1;
  }
  const row = index.row(search);
  if (row >= 0) found[row] = 1;
  return found;
}

/** The most frequent cells of a column. */
export interface Facet {
  /** The column. */
  readonly column: string;
  /** How many different ones there are. */
  readonly distinct: number;
  /** The most frequent. */
  readonly counts: readonly CellCount[];
}

/** Counts what stands in a column, as far as that is a choice. */
export function toFacet(selected: SelectedCalls, column: Column, limit: number): Facet {
  const counts = mergeCounts(selected.count(column) ?? []);
  const shown = counts.slice(0, limit).sort((a, b) =>
    counts.length <= limit && typeof a.cell === "number" ? compareCells(a.cell, b.cell) : 0
  );
  return { column: column.name, distinct: counts.length, counts: shown };
}
