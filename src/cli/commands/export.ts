import { type CallSelection, table, writeLines } from "../../caches.ts";
import { ValueReader } from "../call_columns.ts";
import { printLines, toCsvLines, toJsonLines } from "../call_lines.ts";
import { type CommandCall, type CommandModule, UsageError } from "../command.ts";
import { confirm, type ConfirmOptions, YES_OPTION } from "../confirm.ts";
import { addFilters, FAILED_OPTION, type FilterOptions, selectCalls } from "../filters.ts";
import { toCount } from "../format.ts";
import { type CacheHandle, note, openCache, toBag, warn } from "../open_cache.ts";
import { tellNothing } from "./ls.ts";

interface ExportOptions extends FilterOptions, ConfirmOptions {
  readonly task?: string;
  readonly hdf5?: boolean;
  readonly parquet?: boolean;
  readonly csv?: boolean;
  readonly json?: boolean;
  readonly plain?: boolean;
  readonly results?: boolean;
}

const FORMATS = ["hdf5", "parquet", "csv", "json"] as const;
type Format = typeof FORMATS[number];

const ENDINGS: { readonly [ending: string]: Format } = {
  h5: "hdf5",
  hdf5: "hdf5",
  nc: "hdf5",
  parquet: "parquet",
  csv: "csv",
  json: "json",
  jsonl: "json",
  ndjson: "json",
};

/** Writes calls into a file. */
export const command: CommandModule<ExportOptions> = {
  takesCache: true,
  operands: [{
    name: "file",
    about: "the file, or - for standard output (CSV and JSON)",
    required: true,
  }],
  examples: [
    [
      "export results.bag waves.h5 --task wave",
      "writes calls with all their values, for h5py and import",
    ],
    [
      "export fits.parquet --task fit --arg 'rate>0.5'",
      "writes a table with a column for each argument",
    ],
    ["export - --csv --task fit | sort", "hands it to another program"],
  ],
  configure(command) {
    command
      .option("--hdf5", "HDF5, with exact values; for a file that ends in .h5")
      .option("--parquet", "Parquet; for .parquet")
      .option("--csv", "comma-separated values; for .csv")
      .option("--json", "JSON lines that lose nothing; for .json and .jsonl")
      .option("--plain", "HDF5 that netCDF4 and xarray read")
      .option("--no-results", "without the results in a table")
      .option("--task <task>", "only calls of this task");
    addFilters(command);
    command.option(...FAILED_OPTION);
    command.option(...YES_OPTION);
  },
  async run(call) {
    const { operands: [file = ""], options } = call;
    const format = chooseFormat(file, options);
    await using handle = await openCache(call);
    const calls = selectCalls(call, handle.cache, options.task);
    if (!await calls.any()) return await tellNothing(call, handle.cache, options.task);
    if (file === "-") {
      if (format !== "csv" && format !== "json") {
        throw new UsageError(`Cannot write ${format} to standard output: name a file`);
      }
      await printLines(toLines(call, handle, calls, format), call.terminal);
      return 0;
    }
    const refused = exists(file) ? confirm(call, `Replace "${file}"`) : undefined;
    if (refused !== undefined) return refused;
    const written = await write(call, handle, calls, { file, format });
    note(call, `Wrote ${toCount(written, "call")} into "${file}"`);
    return 0;
  },
};

function chooseFormat(file: string, options: ExportOptions): Format {
  const asked = FORMATS.filter((format) => options[format] === true);
  const [only, another] = asked;
  if (another !== undefined) {
    throw new UsageError(`Cannot export as both --${only} and --${another}`);
  }
  const ending = file.slice(file.lastIndexOf(".") + 1).toLowerCase();
  const format = only ?? (Object.hasOwn(ENDINGS, ending) ? ENDINGS[ending] : undefined);
  if (format !== undefined) return format;
  throw new UsageError(
    `Cannot tell what to export to "${file}": say --hdf5, --parquet, --csv or --json`,
  );
}

function exists(file: string): boolean {
  try {
    Deno.lstatSync(file);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function toLines(
  { options: { task, failed = false, results = true } }: CommandCall<ExportOptions>,
  { cache }: CacheHandle,
  calls: CallSelection,
  format: "csv" | "json",
): AsyncIterable<string> {
  const reader = new ValueReader(cache);
  return format === "json"
    ? toJsonLines(calls, reader, { args: true, results })
    : toCsvLines(calls, reader, { task: task === undefined, args: true, results, failed });
}

async function write(
  call: CommandCall<ExportOptions>,
  handle: CacheHandle,
  calls: CallSelection,
  { file, format }: { readonly file: string; readonly format: Format },
): Promise<number> {
  const { options: { plain = false, results = true } } = call;
  if (format === "hdf5") {
    const bag = toBag(handle, "export as HDF5");
    const keys = new Set<string>();
    for await (const { key } of calls) keys.add(key);
    const layout = plain ? "plain" : "exact";
    const written = await bag.exportHdf5(file, ({ key }) => keys.has(key), { layout });
    if (written.skipped > 0) {
      warn(call, `${toCount(written.skipped, "call")} left out, as values are missing`);
    }
    return written.calls;
  }
  if (format === "parquet") {
    const rows = await table(calls, { args: true, results });
    await rows.writeParquet(file);
    return rows.length;
  }
  const lines = await writeLines(file, toLines(call, handle, calls, format));
  return format === "csv" ? lines - 1 : lines;
}
