import { checkOptions, ofKind, type OptionRules, TEXTS } from "../base/check_options.ts";
import { importLater } from "../base/lazy_import.ts";
import { CallSelection } from "./query.ts";
import type { Table } from "./table/table.ts";

/** Options of {@linkcode table}. */
export interface TableOptions {
  /**
   * Which arguments are columns: all (`true`), those of a plain object with a column for each field, as
   * the axes of a sweep; or those with these names, of a parameter or of a field.
   *
   * @default {[]}
   */
  args?: boolean | readonly string[];
  /**
   * Whether the results are a column, `result`; or which of their fields are.
   *
   * @default {false}
   */
  results?: boolean | readonly string[];
}

const NAMES = ofKind(
  "true, false or an array of names",
  (value) => typeof value === "boolean" || TEXTS.allows(value),
);

const RULES: OptionRules<TableOptions> = { args: NAMES, results: NAMES };

/**
 * Reads calls as a table, one row for each: what their records say, tags and metadata, and the arguments
 * and results that are asked for. A tag, argument or result whose name another column has gets `tag_`,
 * `arg_` or `result_` before it. What is not stored, or damaged, is an empty cell, with a warning.
 *
 * All of it is held in memory, arguments and results included.
 *
 * @param calls The calls, as `query` selects them.
 * @param options Which arguments and results are columns.
 * @returns The table.
 * @throws {TypeError} When an option is unknown, or the calls are none of `query`.
 *
 * @example Print a table, and save it
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { query, table } from "@quiver/quiver/caches";
 * import { assertEquals } from "@std/assert";
 *
 * const cache = createMemoryCache();
 * const area = task(import.meta, (width: number, height: number) => width * height, { name: "area" });
 * await cacheScope({ cache, tags: { run: "friday" } }, () => Promise.all([area(2, 3), area(4, 5)]));
 *
 * const areas = await table(query(cache, area).sorted({ arg: "width" }), { args: true, results: true });
 * console.log(areas);
 * assertEquals(areas.column("result"), [6, 20]);
 * assertEquals(areas.toCsv().startsWith("task,width,height,result,run,"), true);
 * ```
 */
export async function table(calls: CallSelection, options: TableOptions = {}): Promise<Table> {
  checkOptions("make a table", options, RULES);
  const { args = [], results = false } = options;
  if (!(calls instanceof CallSelection)) {
    throw new TypeError(
      "Cannot make a table: the first argument is no selection of calls by `query`",
    );
  }
  const { buildTable } = await importLater<typeof import("./table/build_table.ts")>("table");
  const { cache: { stores }, warn } = calls;
  const columns = { args: args === false ? [] : args, results };
  return await buildTable(calls, stores, columns, warn);
}
