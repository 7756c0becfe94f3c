import type { Cache } from "../../../mod.ts";
import { type CallRecord, type CallSelection, query } from "../../caches.ts";
import { type CommandModule, UsageError } from "../command.ts";
import { confirm, type ConfirmOptions, YES_OPTION } from "../confirm.ts";
import {
  addFilters,
  FAILED_OPTION,
  type FilterOptions,
  hasFilters,
  selectCalls,
} from "../filters.ts";
import { findCall } from "../find_call.ts";
import { toCount, toDuration, toShort, toTime } from "../format.ts";
import { note, openCache } from "../open_cache.ts";
import { printRows } from "../print_rows.ts";
import { toSafeLine } from "../safe_text.ts";
import { tellNothing } from "./ls.ts";

interface RmOptions extends FilterOptions, ConfirmOptions {
  readonly task?: string;
}

/** So many of the calls are shown that would go. */
const SHOWN = 10;

/** Forgets calls. */
export const command: CommandModule<RmOptions> = {
  takesCache: true,
  operands: [{ name: "key", about: "the keys of calls", many: true }],
  examples: [
    ["rm 3f2a 9c41", "forgets two calls, which run again when they are next asked for"],
    ["rm --task simulate --before 30d", "forgets those of a task that are older than 30 days"],
    ["rm --failed --yes", "forgets what has failed, and does not ask"],
  ],
  configure(command) {
    command.option("--task <task>", "those of this task");
    addFilters(command);
    command.option(...FAILED_OPTION);
    command.option(...YES_OPTION);
  },
  async run(call) {
    const { terminal, operands, options } = call;
    const { task } = options;
    const chooses = hasFilters(options) || task !== undefined;
    if (operands.length > 0 === chooses) {
      throw new UsageError(
        operands.length > 0
          ? "Cannot use both keys and options that choose calls: give either"
          : "Cannot tell what is to be forgotten: give keys, --task, or another option that chooses calls",
      );
    }
    await using handle = await openCache(call, { writes: true });
    const { cache } = handle;
    const chosen = chooses ? selectCalls(call, cache, task) : undefined;
    const records =
      await (chosen === undefined ? findCalls(cache, operands) : Array.fromAsync(chosen));
    if (records.length === 0) return await tellNothing(call, cache, task);
    const failed = records.filter(({ failure }) => failure !== undefined);
    if (options.yes !== true) {
      const columns = [{ name: "key" }, { name: "task" }, { name: "took", right: true }, {
        name: "started",
      }];
      printRows(terminal, columns, records.slice(0, SHOWN).map(toRow));
      if (records.length > SHOWN) {
        note(call, `… and ${toCount(records.length - SHOWN, "more call")}`);
      }
    }
    const what = failed.length === records.length
      ? toCount(failed.length, "failure")
      : toCount(records.length, "call");
    const refused = confirm(call, `Forget ${what} of ${handle.title}`);
    if (refused !== undefined) return refused;
    const done = records.filter(({ failure }) => failure === undefined);
    // What is chosen by tags, and was used with others, too, stays known as a call of these.
    const evicted = chosen !== undefined
      ? await evict(chosen, records)
      : await evict(query(cache), done) + await evict(query(cache, { state: "failed" }), failed);
    const stay = options.tag === undefined ? 0 : records.length - evicted;
    if (stay > 0) note(call, `${toCount(stay, "call")} left to others that have used them, too`);
    note(call, `${toCount(evicted, "call")} forgotten; quiver gc frees what they took`);
    return 0;
  },
};

/** The calls with these keys, each once. */
async function findCalls(cache: Cache, keys: readonly string[]): Promise<CallRecord[]> {
  const found = new Map<string, CallRecord>();
  for (const key of keys) {
    const record = await findCall(cache, key);
    found.set(record.key, record);
  }
  return [...found.values()];
}

/** Those that were shown, and no others that have come meanwhile. */
async function evict(calls: CallSelection, records: readonly CallRecord[]): Promise<number> {
  if (records.length === 0) return 0;
  const known = new Map(records.map(({ key, started }) => [key, started]));
  return await calls.filter(({ key, started }) => known.get(key) === started).evict();
}

function toRow({ key, task, duration, started }: CallRecord): string[] {
  return [toShort(key), toSafeLine(task), toDuration(duration), toTime(started)];
}
