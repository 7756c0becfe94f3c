/** One call: the value of each column, `undefined` where it has none. */
export interface TableRow {
  /** The value of a column. */
  readonly [column: string]: unknown;
}

/** Options of `Table.toString`. */
export interface PrintOptions {
  /**
   * How many characters a line has at most.
   *
   * @default {the width of the terminal, or 120 where there is none}
   */
  width?: number;
  /**
   * How many rows are shown at most.
   *
   * @default {40}
   */
  rows?: number;
}

/** Options of `Table.writeHdf5`. */
export interface GridOptions {
  /** The columns that become dimensions, the last varying fastest. */
  axes: readonly string[];
  /**
   * The columns that become datasets.
   *
   * @default {those of results}
   */
  values?: readonly string[];
}

/** What was written by `Table.writeHdf5`. */
export interface GridResult {
  /** The length of each dimension that an axis has become. */
  readonly shape: readonly number[];
  /** How many cells have no call: they are NaN. */
  readonly missing: number;
}

/** What a table is made of. */
export interface TableContent {
  /** The names of the columns, in their order. */
  readonly columns: readonly string[];
  /** The rows. */
  readonly rows: readonly TableRow[];
  /** Which of the columns are of results. */
  readonly results: readonly string[];
  /** The keys of the calls, row by row. */
  readonly keys: readonly string[];
}
