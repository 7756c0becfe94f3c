import { type CallRecord, query } from "../../caches.ts";
import type { CommandModule } from "../command.ts";
import { toCount, toDuration, toSize, toTime } from "../format.ts";
import { note, openCache } from "../open_cache.ts";
import { printRows } from "../print_rows.ts";
import { toSafeLine } from "../safe_text.ts";
import { writeJson } from "../terminal.ts";

interface StatsOptions {
  readonly json?: boolean;
}

/** What is counted of a task. */
interface TaskStatistics {
  readonly task: string;
  readonly module: string;
  calls: number;
  failed: number;
  /** In milliseconds, as all that follows. */
  total: number;
  longest: number;
  first: number;
  last: number;
}

/** Counts calls by task. */
export const command: CommandModule<StatsOptions> = {
  takesCache: true,
  examples: [[
    "stats results.bag",
    "tells of each task how many calls there are, and what they took",
  ]],
  configure(command) {
    command.option("--json", "as JSON lines, one for each task, with times in milliseconds");
  },
  async run(call) {
    const { terminal, options: { json } } = call;
    await using handle = await openCache(call);
    const { cache } = handle;
    const tasks = new Map<string, TaskStatistics>();
    for await (const record of cache.records()) count(tasks, record);
    for await (const record of query(cache, { state: "failed" })) count(tasks, record);
    const sorted = [...tasks.values()].sort((a, b) => b.total - a.total);
    if (json) {
      for (const one of sorted) writeJson(terminal, JSON.stringify(one));
    } else if (sorted.length > 0) {
      const right = true;
      const columns = [
        { name: "task" },
        { name: "calls", right },
        { name: "failed", right },
        { name: "total", right },
        { name: "mean", right },
        { name: "longest", right },
        { name: "first" },
        { name: "last" },
      ];
      const rows = sorted.map((one) => [
        toSafeLine(one.task),
        String(one.calls),
        one.failed === 0 ? "" : String(one.failed),
        ...one.calls === 0
          ? ["", "", ""]
          : [one.total, one.total / one.calls, one.longest].map(toDuration),
        toTime(one.first),
        toTime(one.last),
      ]);
      printRows(terminal, columns, rows);
    }
    const { storage } = cache.statistics();
    if (storage?.bytes !== undefined && !json) {
      const { bytes, sealedValues = 0, segments = 0, journals = 0 } = storage;
      note(
        call,
        `Values take ${toSize(bytes)}: ${toCount(sealedValues, "sealed value")} in ` +
          `${toCount(segments, "segment")}, ${toCount(journals, "journal")}`,
      );
    }
    return sorted.length > 0 ? 0 : 1;
  },
};

function count(
  tasks: Map<string, TaskStatistics>,
  { task, module, started, duration, failure }: CallRecord,
): void {
  const one = tasks.getOrInsertComputed(`${module}\n${task}`, () => {
    const none = { calls: 0, failed: 0, total: 0, longest: 0 };
    return { task, module, ...none, first: started, last: started };
  });
  if (failure === undefined) {
    one.calls++;
    one.total += duration;
    one.longest = Math.max(one.longest, duration);
  } else one.failed++;
  one.first = Math.min(one.first, started);
  one.last = Math.max(one.last, started);
}
