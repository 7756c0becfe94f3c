import { resolve } from "node:path";
import { checkOptions, COUNT_OR_INFINITY, TEXTS } from "../../base/check_options.ts";
import { importLater } from "../../base/lazy_import.ts";
import { DISK, writeAll } from "../../disk/file_system.ts";
import { replaceUserFile } from "../../disk/user_file.ts";
import { toPath } from "../../store/open_stores.ts";
import { printTable } from "./print_table.ts";
import type {
  GridOptions,
  GridResult,
  PrintOptions,
  TableContent,
  TableRow,
} from "./table_content.ts";
import { toCsvLine, toJsonValue } from "./table_text.ts";

/**
 * Calls as a table: one row for each, read once. Made by `table`.
 */
export class Table implements Iterable<TableRow> {
  readonly #content: TableContent;

  /**
   * Takes what was read.
   *
   * @internal
   */
  constructor(content: TableContent) {
    this.#content = content;
  }

  /** How many rows there are. */
  get length(): number {
    return this.#content.rows.length;
  }

  /** The names of the columns. */
  get columns(): readonly string[] {
    return this.#content.columns;
  }

  /** The rows. */
  get rows(): readonly TableRow[] {
    return this.#content.rows;
  }

  /** Goes over the rows. */
  [Symbol.iterator](): Iterator<TableRow> {
    return this.#content.rows[Symbol.iterator]();
  }

  /**
   * Gives all values of a column.
   *
   * @param name The name of the column.
   * @returns Its value in each row.
   * @throws {RangeError} When there is no such column.
   */
  column(name: string): unknown[] {
    this.#checkColumns("give a column", [name]);
    return this.rows.map((row) => row[name]);
  }

  /**
   * Lays the table out for a terminal: aligned, numbers to the right, and cut to the width.
   *
   * @param options How wide and how long.
   * @returns The lines, and one that says what was left out.
   */
  toString(options: PrintOptions = {}): string {
    checkOptions("print a table", options, { width: COUNT_OR_INFINITY, rows: COUNT_OR_INFINITY });
    return printTable(this.#content, options);
  }

  /**
   * What `console.log` shows.
   *
   * @internal
   */
  [Symbol.for("Deno.customInspect")](): string {
    return this.toString();
  }

  /**
   * Writes the table as comma-separated values (RFC 4180, with line feeds): names in the first line; dates
   * as ISO 8601; what is missing as nothing, an empty text as `""`; arrays and objects as JSON.
   *
   * @returns The text.
   */
  toCsv(): string {
    return [...this.#csvLines()].join("");
  }

  *#csvLines(): Generator<string> {
    const { columns, rows } = this.#content;
    yield toCsvLine(columns);
    for (const row of rows) yield toCsvLine(columns.map((name) => row[name]));
  }

  /**
   * Writes the table as JSON lines, an object for each row: dates as ISO 8601, typed arrays as arrays,
   * bigints as texts; what is missing, or no JSON, as null.
   *
   * @returns The text.
   */
  toJsonLines(): string {
    return [...this.#jsonLines()].join("");
  }

  *#jsonLines(): Generator<string> {
    const { columns, rows } = this.#content;
    for (const row of rows) {
      const fields = columns.map((name) => [name, toJsonValue(row[name])]);
      yield `${JSON.stringify(Object.fromEntries(fields))}\n`;
    }
  }

  /**
   * Writes {@linkcode Table.toCsv} into a file, which is replaced when all is written.
   *
   * Requires `--allow-read` and `--allow-write` of its directory.
   *
   * @param path The file.
   */
  async writeCsv(path: string | URL): Promise<void> {
    await writeFile(path, this.#csvLines());
  }

  /**
   * Writes {@linkcode Table.toJsonLines} into a file, which is replaced when all is written.
   *
   * Requires `--allow-read` and `--allow-write` of its directory.
   *
   * @param path The file.
   */
  async writeJsonLines(path: string | URL): Promise<void> {
    await writeFile(path, this.#jsonLines());
  }

  /**
   * Writes the table into a Parquet file, which is replaced when all is written. A column of integers is
   * INT64, of numbers DOUBLE, of texts STRING, of booleans BOOLEAN, of dates TIMESTAMP; what is mixed, or
   * holds arrays and objects, is JSON in a STRING.
   *
   * Requires `--allow-read` and `--allow-write` of its directory.
   *
   * @param path The file.
   */
  async writeParquet(path: string | URL): Promise<void> {
    const { toParquet } = await importLater<typeof import("./to_parquet.ts")>("parquet");
    const bytes = toParquet(this.#content);
    await replaceUserFile(DISK, resolve(toPath(path)), (file) => {
      writeAll(DISK, file, bytes);
      return Promise.resolve();
    });
  }

  /**
   * Writes results into an HDF5 file as n-dimensional arrays: each axis becomes a dimension and a dataset
   * of its values in ascending order, each column of values a dataset of float64, whose last dimensions are
   * those of the results themselves where these are arrays. A cell without a call is NaN; how many there
   * are is told, and stands in the attribute `missing`; `dimensions` names the axes.
   *
   * Requires `--allow-read` and `--allow-write` of its directory.
   *
   * @param path The file; it is replaced when all is written.
   * @param options Which columns are axes and values.
   * @returns The shape, and how many cells are missing.
   * @throws {RangeError} When there is no such column, two calls have one cell, or the file would be too
   * large.
   * @throws {TypeError} When a value is no number or array of numbers, or the shapes of two differ.
   *
   * @example A grid of results
   * ```ts
   * import { cacheScope, createMemoryCache, Executor, task } from "@quiver/quiver";
   * import { query, table } from "@quiver/quiver/caches";
   * import { grid, range } from "@quiver/quiver/sweeps";
   * import { assertEquals } from "@std/assert";
   *
   * const wave = task(import.meta, ({ rate, seed }: { rate: number; seed: number }) => rate + seed, {
   *   name: "wave",
   * });
   *
   * const cache = createMemoryCache();
   * await using executor = new Executor({ workerType: "inline" });
   * await cacheScope({ cache }, async () => {
   *   await Array.fromAsync(executor.map(wave, grid({ rate: [0.5, 1], seed: range(3) })));
   * });
   * const path = await Deno.makeTempDir();
   * const results = await table(query(cache, wave), { args: true, results: true });
   * const written = await results.writeHdf5(`${path}/waves.h5`, { axes: ["rate", "seed"] });
   * assertEquals(written, { shape: [2, 3], missing: 0 });
   * await Deno.remove(path, { recursive: true });
   * ```
   */
  async writeHdf5(path: string | URL, options: GridOptions): Promise<GridResult> {
    const action = "write a table as HDF5";
    checkOptions(action, options, { axes: TEXTS, values: TEXTS });
    const { axes, values = this.#content.results } = options;
    if (axes === undefined || axes.length === 0) {
      throw new TypeError(`Cannot ${action}: \`axes\` names the columns that become dimensions`);
    }
    if (values.length === 0) {
      throw new TypeError(
        `Cannot ${action}: the table has no results; make it with \`results\`, or name \`values\``,
      );
    }
    this.#checkColumns(action, [...axes, ...values]);
    const twice = [...axes, ...values].find((name, i, all) => all.indexOf(name) !== i);
    if (twice !== undefined) throw new RangeError(`Cannot ${action}: "${twice}" is there twice`);
    const { toGrid } = await importLater<typeof import("./to_grid.ts")>("grid");
    return await toGrid(this.#content, resolve(toPath(path)), axes, values);
  }

  #checkColumns(action: string, names: readonly string[]): void {
    const missing = names.find((name) => !this.columns.includes(name));
    if (missing === undefined) return;
    throw new RangeError(
      `Cannot ${action}: there is no column "${missing}"; the columns are ${
        this.columns.join(", ")
      }`,
    );
  }
}

const ENCODER = new TextEncoder();

/** So many characters are written at once. */
const PIECE = 64 * 1024;

/**
 * Writes lines into a file of the user's, which is replaced when all are written.
 *
 * @param path The file.
 * @param lines The lines, with their ends.
 * @returns How many there were.
 */
export async function writeFile(
  path: string | URL,
  lines: Iterable<string> | AsyncIterable<string>,
): Promise<number> {
  let count = 0;
  await replaceUserFile(DISK, resolve(toPath(path)), async (file) => {
    let piece = "";
    for await (const line of lines) {
      count++;
      piece += line;
      if (piece.length < PIECE) continue;
      writeAll(DISK, file, ENCODER.encode(piece));
      piece = "";
    }
    writeAll(DISK, file, ENCODER.encode(piece));
  });
  return count;
}
