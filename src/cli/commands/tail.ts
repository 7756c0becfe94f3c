import { type CallChange, type CallRecord, follow, query } from "../../caches.ts";
import { toArgumentsPreview, ValueReader } from "../call_columns.ts";
import type { CommandCall, CommandModule } from "../command.ts";
import { toDuration, toShort, toTime } from "../format.ts";
import { openCache, warn } from "../open_cache.ts";
import { cut } from "../print_rows.ts";
import { toSafeLine } from "../safe_text.ts";
import { toLimit } from "./ls.ts";
import { writeJson } from "../terminal.ts";

interface TailOptions {
  readonly limit?: string;
  readonly follow?: boolean;
  readonly json?: boolean;
}

/** Shows calls as they are recorded. */
export const command: CommandModule<TailOptions> = {
  takesCache: true,
  operands: [{ name: "task", about: "only calls of this task" }],
  examples: [
    ["tail results.bag", "shows the last calls, and each new one, until Ctrl-C"],
    ["tail simulate --no-follow -n 50", "shows the last 50 calls of a task"],
  ],
  configure(command) {
    command
      .option("-n, --limit <count>", "so many of those that are there", "10")
      .option("--no-follow", "only these, and no new ones")
      .option("--json", "as JSON lines: the records");
  },
  async run(call) {
    const { terminal, operands: [task], options } = call;
    const { limit = "10", follow: follows = true } = options;
    const most = toLimit(limit);
    await using handle = await openCache(call);
    const { cache } = handle;
    const reader = new ValueReader(cache);
    const ended = new AbortController();
    using _ = terminal.onInterrupt?.(() => ended.abort());
    // Before the others are looked for: none is missed in between.
    const changes = follow(cache, { signal: ended.signal });
    const next = follows ? changes.next() : undefined;
    next?.catch(() => {});
    const known = query(cache, task === undefined ? {} : { task }, {
      onWarning: ({ message }) => warn(call, message),
    });
    const last = await lastOf(known, most);
    for (const record of last) await print(call, record, reader);
    if (next === undefined) return last.length > 0 ? 0 : 1;
    const shown = new Set(last.map(toId));
    try {
      for (let one = await next; !one.done; one = await changes.next()) {
        const record = recordOf(one.value);
        if (record === undefined || shown.has(toId(record))) continue;
        if (task !== undefined && record.task !== task) continue;
        await print(call, record, reader);
      }
    } catch (error) {
      // Ctrl-C is how it ends.
      if (!ended.signal.aborted) throw error;
    } finally {
      await changes.return();
    }
    return 0;
  },
};

const FAILED = "  FAILED";

function toId({ key, started }: CallRecord): string {
  return `${key} ${started}`;
}

function recordOf(change: CallChange): CallRecord | undefined {
  return change.type === "forgotten" ? undefined : change.record;
}

async function lastOf(calls: AsyncIterable<CallRecord>, most: number): Promise<CallRecord[]> {
  const last: CallRecord[] = [];
  for await (const record of calls) {
    last.push(record);
    if (last.length > 2 * most + 1000) last.splice(0, last.length - most);
  }
  return most === 0 ? [] : last.slice(-most);
}

async function print(
  { terminal, options: { json } }: CommandCall<TailOptions>,
  record: CallRecord,
  reader: ValueReader,
): Promise<void> {
  if (json) {
    writeJson(terminal, JSON.stringify(record));
    return;
  }
  const { key, task, started, duration, failure } = record;
  const args = toArgumentsPreview(await reader.arguments(record));
  const state = failure === undefined ? toDuration(duration).padStart(8) : FAILED;
  const error = failure === undefined
    ? ""
    : `: ${toSafeLine(`${failure.error.name}: ${failure.error.message}`)}`;
  const line = `${toTime(started + duration)}  ${toShort(key)}  ${state}  ` +
    `${toSafeLine(task)}(${args})${error}`;
  const shown = terminal.width === undefined ? line : cut(line, terminal.width);
  terminal.write(
    `${terminal.color ? shown.replace(FAILED, `\x1b[31m${FAILED}\x1b[39m`) : shown}\n`,
  );
}
