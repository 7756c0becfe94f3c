import type { CommandModule } from "../command.ts";
import { addFilters, type FilterOptions, selectCalls } from "../filters.ts";
import { toShort, toTime } from "../format.ts";
import { note, openCache } from "../open_cache.ts";
import { printRows } from "../print_rows.ts";
import { toSafeLine } from "../safe_text.ts";
import { writeJson } from "../terminal.ts";

interface FailuresOptions extends FilterOptions {
  readonly json?: boolean;
}

/** Lists calls that have failed. */
export const command: CommandModule<FailuresOptions> = {
  takesCache: true,
  operands: [{ name: "task", about: "only failures of this task" }],
  examples: [
    ["failures results.bag", "lists what has failed, as far as scopes had keepFailures: true"],
    ["rerun 3f2a --no-store", "has one of them fail again, as for a debugger"],
  ],
  configure(command) {
    addFilters(command);
    command.option("--json", "as JSON lines: the records");
  },
  async run(call) {
    const { terminal, operands: [task], options } = call;
    await using handle = await openCache(call);
    const failed = { ...call, options: { ...options, failed: true } };
    const records = await Array.fromAsync(selectCalls(failed, handle.cache, task));
    if (options.json) {
      for (const record of records) writeJson(terminal, JSON.stringify(record));
    } else if (records.length > 0) {
      const columns = [
        { name: "key" },
        { name: "task" },
        { name: "attempts", right: true },
        { name: "started" },
        { name: "error" },
      ];
      const rows = records.map(({ key, task, started, failure }) => [
        toShort(key),
        toSafeLine(task),
        String(failure?.attempts ?? ""),
        toTime(started),
        failure === undefined ? "" : toSafeLine(`${failure.error.name}: ${failure.error.message}`),
      ]);
      printRows(terminal, columns, rows);
      note(call, "See one with its stack: quiver show <key>");
    } else note(call, "No such failures; they are kept where a scope has keepFailures: true");
    return records.length > 0 ? 0 : 1;
  },
};
