import { cacheScope } from "../../../mod.ts";
import type { CommandModule } from "../command.ts";
import { toMoment } from "../filters.ts";
import { toCount, toShort, toTime } from "../format.ts";
import { findTask, FROM_OPTION, loadTask, type TaskOptions } from "../load_task.ts";
import { openCache } from "../open_cache.ts";
import { printRows } from "../print_rows.ts";
import { writeJson } from "../terminal.ts";

interface AcceptOptions extends TaskOptions {
  readonly since?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** Has results of older code hold for the present code. */
export const command: CommandModule<AcceptOptions> = {
  takesCache: true,
  operands: [{ name: "task", about: "the name of the task", required: true }],
  examples: [
    ["accept simulate --dry-run", "tells which results would hold after an edit that changed none"],
    [
      "accept simulate",
      "has them hold; it imports the task's module, which runs what stands in it",
    ],
  ],
  configure(command) {
    command.option(...FROM_OPTION)
      .option("--since <time>", "calls of any older code that ended since: 2026-01-31, or 2d")
      .option("--dry-run", "change nothing, and only tell")
      .option("--json", "the accepted records as JSON lines");
  },
  async run(call) {
    const [name = ""] = call.operands;
    const { terminal, options: { since, dryRun = false, json = false, quiet } } = call;
    await using handle = await openCache(call, { writes: true });
    const { cache } = handle;
    const known = await findTask(cache, name);
    if (known === undefined) throw new Error(`There is no call of a task "${name}"`);
    const task = await loadTask(call, known);
    const { accepted, known: there, unknown } = await cacheScope(
      { cache },
      () =>
        task.accept({ dryRun, ...(since !== undefined && { since: toMoment("since", since) }) }),
    );
    if (json) { for (const record of accepted) writeJson(terminal, JSON.stringify(record)); }
    else if (accepted.length > 0) {
      const columns = [{ name: "key" }, { name: "started" }];
      const rows = accepted.map(({ key, started }) => [toShort(key), toTime(started)]);
      printRows(terminal, columns, rows);
    }
    if (quiet !== true) {
      const done = dryRun ? "would hold" : accepted.length === 1 ? "holds" : "hold";
      terminal.writeError(
        `${
          toCount(accepted.length, "result")
        } ${done} for the present code; ${there} known already, ` +
          `${unknown} not to be told\n`,
      );
    }
    return accepted.length > 0 || there > 0 ? 0 : 1;
  },
};
