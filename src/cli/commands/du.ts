import { usage } from "../../caches.ts";
import type { CommandModule } from "../command.ts";
import { toCount, toSize } from "../format.ts";
import { note, openCache } from "../open_cache.ts";
import { printRows } from "../print_rows.ts";
import { toSafeLine } from "../safe_text.ts";
import { writeJson } from "../terminal.ts";

interface DuOptions {
  readonly json?: boolean;
}

/** Tells what the values of each task take. */
export const command: CommandModule<DuOptions> = {
  takesCache: true,
  examples: [["du results.bag", "has the task first whose arguments and results take most"]],
  configure(command) {
    command.option("--json", "as JSON lines, one for each task, then one of all, in bytes");
  },
  async run(call) {
    const { terminal, options: { json } } = call;
    await using handle = await openCache(call);
    const { tasks, ...all } = await usage(handle.cache);
    if (json) {
      for (const line of [...tasks, all]) writeJson(terminal, JSON.stringify(line));
      return tasks.length > 0 ? 0 : 1;
    }
    if (tasks.length > 0) {
      const right = true;
      const columns = [
        { name: "task" },
        { name: "calls", right },
        { name: "values", right },
        { name: "size", right },
        { name: "shared", right },
      ];
      const rows = tasks.map(({ task, calls, values, bytes, shared }) => [
        toSafeLine(task),
        String(calls),
        String(values),
        toSize(bytes),
        shared === 0 ? "" : toSize(shared),
      ]);
      printRows(terminal, columns, rows);
    }
    const { bytes, garbage, missing } = all;
    note(call, `All of them: ${toSize(bytes)}`);
    if (garbage !== undefined && garbage.values > 0) {
      note(
        call,
        `Of no call: ${toCount(garbage.values, "value")}, ${
          toSize(garbage.bytes)
        }; quiver gc drops them`,
      );
    }
    if (missing > 0) {
      note(call, `${toCount(missing, "value")} missing or damaged; see quiver verify`);
    }
    return tasks.length > 0 ? 0 : 1;
  },
};
