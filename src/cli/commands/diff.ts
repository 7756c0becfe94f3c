import type { CallRecord } from "../../caches.ts";
import { tagsOf, ValueReader } from "../call_columns.ts";
import type { CommandCall, CommandModule } from "../command.ts";
import { compareValues, type Difference } from "../compare_values.ts";
import { toExactJson } from "../exact_json.ts";
import { findCall } from "../find_call.ts";
import { toPreview, toShort } from "../format.ts";
import { toLimit } from "./ls.ts";
import { openCache } from "../open_cache.ts";
import { printRows } from "../print_rows.ts";
import { toSafeLine } from "../safe_text.ts";
import { writeJson } from "../terminal.ts";

interface DiffOptions {
  readonly json?: boolean;
  readonly limit?: string;
}

/** Compares two calls. */
export const command: CommandModule<DiffOptions> = {
  takesCache: true,
  operands: [
    { name: "key", about: "the key of a call", required: true },
    { name: "other", about: "the key of another one", required: true },
  ],
  examples: [["diff 3f2a 9c41", "tells in which arguments, code, tags and results they differ"]],
  configure(command) {
    command.option("-n, --limit <count>", "so many differences at most", "100")
      .option("--json", "as JSON lines: path, was and is");
  },
  async run(call) {
    const [first = "", second = ""] = call.operands;
    await using handle = await openCache(call);
    const { cache } = handle;
    const reader = new ValueReader(cache);
    const [was, is] = [
      await toFacts(await findCall(cache, first), reader),
      await toFacts(await findCall(cache, second), reader),
    ];
    const limit = toLimit(call.options.limit ?? "100");
    // One more tells whether there are more.
    const found = Array.from(compareValues(was, is).take(limit + 1));
    print(call, found.slice(0, limit), [first, second]);
    if (found.length > limit && call.options.quiet !== true) {
      call.terminal.writeError(`There are more differences: see them with --limit\n`);
    }
  },
};

/** What of two calls is compared. */
async function toFacts(record: CallRecord, reader: ValueReader): Promise<object> {
  const { task, module, version, code, parts, args, metadata, failure } = record;
  const known = await reader.arguments(record);
  const result = await reader.result(record);
  const { tags: _, ...facts } = metadata ?? {};
  return {
    task,
    module,
    version,
    ...parts === undefined ? { code: code && toShort(code) } : { code: toParts(parts) },
    arguments: Object.fromEntries(args.map(({ name, digest }) => {
      const value = known.get(name);
      return [name, value === undefined ? `(not stored: ${toShort(digest)})` : value.value];
    })),
    result: result === undefined ? `(missing: ${toShort(record.result)})` : result.value,
    tags: tagsOf(metadata),
    metadata: facts,
    ...(failure !== undefined && { error: `${failure.error.name}: ${failure.error.message}` }),
  };
}

/** Each part by its name, which ends where its digest or version begins. */
function toParts(parts: readonly string[]): object {
  return Object.fromEntries(parts.map((part) => {
    const end = part.lastIndexOf(" ");
    return [part.slice(0, end), part.slice(end + 1)];
  }));
}

function print(
  { terminal, options: { json, quiet } }: CommandCall<DiffOptions>,
  differences: readonly Difference[],
  [first, second]: readonly [string, string],
): void {
  const toPath = (path: string) => path.slice(1);
  if (json) {
    for (const { path, was, is } of differences) {
      const line = {
        path: toPath(path),
        ...(was && { was: was.value }),
        ...(is && { is: is.value }),
      };
      writeJson(terminal, toExactJson(line));
    }
  } else if (differences.length > 0) {
    const columns = [{ name: "what" }, { name: first }, { name: second }];
    const rows = differences.map(({ path, was, is }) => [
      toSafeLine(toPath(path)),
      was === undefined ? "" : toPreview(was.value),
      is === undefined ? "" : toPreview(is.value),
    ]);
    printRows(terminal, columns, rows);
  } else if (quiet !== true) terminal.writeError("They do not differ\n");
}
