import type { Cache } from "../../../mod.ts";
import type { CallRecord, CallSelection } from "../../caches.ts";
import { CallCells, FIELD_NAMES, toColumn, ValueReader } from "../call_columns.ts";
import {
  chooseColumns,
  type ColumnChoice,
  printLines,
  toCsvLines,
  toJsonLines,
} from "../call_lines.ts";
import { type CommandCall, type CommandModule, type ExitCode, UsageError } from "../command.ts";
import { addFilters, FAILED_OPTION, type FilterOptions, selectCalls } from "../filters.ts";
import { note, openCache } from "../open_cache.ts";
import { RowPrinter } from "../print_rows.ts";

interface LsOptions extends FilterOptions {
  readonly columns?: string;
  readonly args?: boolean;
  readonly results?: boolean;
  readonly sort?: string;
  readonly reverse?: boolean;
  readonly limit?: string;
  readonly json?: boolean;
  readonly csv?: boolean;
}

/** So many tasks are named where there is no call of another one. */
const MOST_TASKS = 20;

/** By so many calls the columns and their widths are chosen. */
const FIRST = 100;

/** Lists calls. */
export const command: CommandModule<LsOptions> = {
  takesCache: true,
  operands: [{ name: "task", about: "only calls of this task, with its arguments as columns" }],
  examples: [
    ["ls results.bag", "lists all calls, in the order in which they were recorded"],
    ["ls simulate --arg 'rate>0.5' --sort duration --reverse", "has the slowest first"],
    ["ls simulate --columns key,rate,result.energy --csv", "writes what is computed as CSV"],
    ["ls simulate --results --sort result.energy -n 3", "has the best first, with what they gave"],
    ["ls --json --results | jq .result", "hands it to another program"],
  ],
  configure(command) {
    addFilters(command);
    command.option(...FAILED_OPTION);
    command
      .option(
        "-c, --columns <names>",
        `these columns: ${FIELD_NAMES.join(", ")}, tag.NAME,
      result.NAME, or names of arguments and of their fields`.replaceAll(/\s+/g, " "),
      )
      .option("--args", "with a column for each argument")
      .option("--no-args", "without the arguments that a task's calls are listed with")
      .option("-r, --results", "with a column for the result, or each field of it")
      .option("-s, --sort <name>", "ordered by a column: duration, rate, result.energy, tag.run")
      .option("--reverse", "the greatest, or the newest, first")
      .option("-n, --limit <count>", "so many at most")
      .option("--json", "as JSON lines: records as they are, with their values in full")
      .option("--csv", "as comma-separated values");
  },
  async run(call) {
    const { options, operands: [task] } = call;
    await using handle = await openCache(call);
    const { cache } = handle;
    if (options.json && options.csv) throw new UsageError("Cannot use both --json and --csv");
    const reader = new ValueReader(cache);
    const calls = order(selectCalls(call, cache, task), options, reader);
    if (!options.json && !options.csv) {
      const listed = await listTable(call, calls, reader);
      return listed > 0 ? 0 : await tellNothing(call, cache, task);
    }
    const { args, results } = options;
    const lines = options.json
      ? toJsonLines(calls, reader, { args: args === true, results: results === true })
      : toCsvLines(calls, reader, toChoice(options, task));
    const listed = await printLines(lines, call.terminal);
    // The first line of CSV has the names.
    return listed > (options.csv ? 1 : 0) ? 0 : await tellNothing(call, cache, task);
  },
};

/** Says that there are no such calls, and of an unknown task which ones there are. */
export async function tellNothing(
  call: CommandCall,
  cache: Cache,
  task: string | undefined,
): Promise<ExitCode> {
  const tasks = new Set<string>();
  for await (const record of cache.records()) tasks.add(record.task);
  const names = [...tasks].sort();
  const shown = names.slice(0, MOST_TASKS).join(", ") + (names.length > MOST_TASKS ? ", …" : "");
  const isUnknown = task !== undefined && !tasks.has(task) && tasks.size > 0;
  note(
    call,
    isUnknown ? `No call of the task "${task}": the tasks are ${shown}` : "No such calls",
  );
  return 1;
}

function order(calls: CallSelection, options: LsOptions, reader: ValueReader): CallSelection {
  const { sort, reverse = false, limit } = options;
  const by = sort ?? (reverse ? "started" : undefined);
  const sorted = by === undefined ? calls : sortBy(calls, by, { reverse, reader });
  return limit === undefined ? sorted : sorted.take(toLimit(limit));
}

/** The fields of records that are ordered by what they are, and not by how they are shown. */
const SORT_FIELDS = ["key", "module", "task", "version", "code", "started", "duration"] as const;

interface SortBy {
  readonly reverse: boolean;
  readonly reader: ValueReader;
}

/** Orders calls by what stands in a column, which some of them must have. */
function sortBy(calls: CallSelection, name: string, { reverse, reader }: SortBy): CallSelection {
  const field = SORT_FIELDS.find((field) => field === name);
  if (field !== undefined) return calls.sorted(field, { reverse });
  const cells = new CallCells([toColumn(name)], reader);
  let isKnown = false;
  const read = async (record: CallRecord) => {
    const [value] = await cells.values(record);
    isKnown ||= value !== undefined;
    return value;
  };
  return calls.sorted(read, { reverse }).filter(() => {
    if (isKnown) return true;
    throw new UsageError(
      `Cannot sort by ${JSON.stringify(name)}: no call has it; --args and --results show what ` +
        "there is",
    );
  });
}

/** Reads how many are wanted. */
export function toLimit(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new UsageError(`Cannot use --limit ${JSON.stringify(text)}: it is how many, such as 20`);
}

/** Prints calls as they come, and gives how many. */
async function listTable(
  { terminal, options, operands: [task] }: CommandCall<LsOptions>,
  calls: CallSelection,
  reader: ValueReader,
): Promise<number> {
  const first: CallRecord[] = [];
  let cells: CallCells | undefined;
  let printer: RowPrinter | undefined;
  const begin = async () => {
    const columns = await chooseColumns(first, reader, { ...toChoice(options, task) });
    cells = new CallCells(columns, reader);
    printer = new RowPrinter(terminal, columns);
    const rows: string[][] = [];
    for (const record of first) rows.push(cells.show(await cells.values(record)));
    printer.begin(rows);
    return printer;
  };
  let count = 0;
  for await (const record of calls) {
    count++;
    if (printer !== undefined && cells !== undefined) {
      const values = cells.values(record);
      printer.add(cells.show(values instanceof Promise ? await values : values));
    } else if (first.push(record) >= FIRST) await begin();
  }
  if (count === 0) return 0;
  printer ??= await begin();
  printer.flush();
  if (printer.leftOut.length > 0 && options.quiet !== true) {
    const names = printer.leftOut.join(", ");
    terminal.writeError(`The terminal is too narrow for ${names}: choose with --columns\n`);
  }
  return count;
}

function toChoice(options: LsOptions, task: string | undefined): ColumnChoice {
  const { columns, args = task !== undefined, results = false, failed = false } = options;
  return {
    ...(columns !== undefined && { names: toNames(columns) }),
    task: task === undefined,
    args,
    results,
    failed,
  };
}

function toNames(text: string): string[] {
  const names = text.split(",").map((name) => name.trim()).filter((name) => name !== "");
  if (names.length > 0) return names;
  throw new UsageError("Cannot list calls without --columns: name some, such as key,duration");
}
