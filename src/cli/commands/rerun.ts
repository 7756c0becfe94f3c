import { type Cache, cacheScope } from "../../../mod.ts";
import type { CallRecord } from "../../caches.ts";
import { tagsOf } from "../call_columns.ts";
import type { CommandModule } from "../command.ts";
import { toExactJson } from "../exact_json.ts";
import { findCall } from "../find_call.ts";
import { toDuration, toPreview, toShort } from "../format.ts";
import { FROM_OPTION, loadTask, type TaskOptions } from "../load_task.ts";
import { note, openCache } from "../open_cache.ts";
import { writeJson } from "../terminal.ts";

interface RerunOptions extends TaskOptions {
  readonly store?: boolean;
  readonly json?: boolean;
}

/** Runs a call once more. */
export const command: CommandModule<RerunOptions> = {
  takesCache: true,
  operands: [{ name: "key", about: "the key of the call", required: true }],
  examples: [
    ["rerun 3f2a", "computes the result anew; it imports the task's module and runs its code"],
    ["rerun 3f2a --no-store", "changes nothing in the bag, whatever comes out"],
  ],
  configure(command) {
    command.option(...FROM_OPTION)
      .option("--no-store", "remember neither the result nor a failure")
      .option("--json", "the result as one line of JSON");
  },
  async run(call) {
    const { terminal, operands: [short = ""], options: { store = true, json = false } } = call;
    await using handle = await openCache(call, { writes: store });
    const { cache } = handle;
    const record = await findCall(cache, short);
    if (store && (record.ignored?.length ?? 0) > 0) {
      throw new Error(
        `Cannot run ${
          toShort(record.key)
        } again: arguments that do not count were not recorded, and ` +
          "the result is to be remembered; use --no-store, or call the task",
      );
    }
    const task = await loadTask(call, record);
    const begun = performance.now();
    const value = await cacheScope({ cache, tags: tagsOf(record.metadata) }, async () => {
      if (!store) return await task.reproduce(record.key);
      return await task.rerun(...await readArguments(cache, record));
    });
    const took = toDuration(performance.now() - begun);
    if (json) writeJson(terminal, toExactJson(value));
    else terminal.write(`${toPreview(value)}\n`);
    note(call, `Took ${took}${await compare(cache, record, store)}`);
  },
};

/** Tells whether the result that is remembered now is the one of before. */
async function compare(cache: Cache, record: CallRecord, store: boolean): Promise<string> {
  if (!store || record.failure !== undefined) return "";
  const now = await cache.record(record.key);
  if (now === undefined) return "; the task's code is another now, and so is the key";
  if (now.started === record.started) return "; the task's code is another now, and so is the key";
  return now.result === record.result ? "; the result is the same" : "; the result has changed";
}

async function readArguments(cache: Cache, { key, args }: CallRecord): Promise<unknown[]> {
  const read: unknown[] = [];
  for (const [index, { name, position = index, value }] of args.entries()) {
    const found = value === undefined ? undefined : await cache.value(value);
    if (!found?.hit) {
      const state = value === undefined ? "was not stored" : "is gone or damaged";
      throw new Error(`Cannot run ${toShort(key)} again: its argument "${name}" ${state}`);
    }
    read[position] = found.value;
  }
  return Array.from(read);
}
