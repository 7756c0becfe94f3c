import type { Cache } from "../../../mod.ts";
import type { CallRecord, FailureError } from "../../caches.ts";
import { type KnownValue, tagsOf, ValueReader } from "../call_columns.ts";
import type { CommandModule } from "../command.ts";
import { toExactJson } from "../exact_json.ts";
import { findDigest } from "../find_call.ts";
import { toCount, toDuration, toPreview, toShort, toTime } from "../format.ts";
import { openCache } from "../open_cache.ts";
import { widthOf } from "../print_rows.ts";
import { toSafeLine, toSafeText } from "../safe_text.ts";
import { writeJson } from "../terminal.ts";

interface ShowOptions {
  readonly json?: boolean;
}

/** A name and what it stands for; under a name there may be others. */
type Line = readonly [name: string, text: string];

/** Shows what is known of a call or a value. */
export const command: CommandModule<ShowOptions> = {
  takesCache: true,
  operands: [{ name: "key", about: "the key of a call, or the digest of a value", required: true }],
  examples: [
    ["show 3f2a", "tells what the call was, took and gave"],
    ["show 3f2a --json", "has its record as JSON, with arguments and result"],
  ],
  configure(command) {
    command.option("--json", "as one line of JSON");
  },
  async run(call) {
    await using handle = await openCache(call);
    const { cache } = handle;
    const found = await findDigest(cache, call.operands[0] ?? "");
    const { terminal, options: { json = false } } = call;
    if (found.kind === "value") {
      const uses = await findUses(cache, found.digest);
      const known = await readValue(cache, found.digest);
      if (json) writeJson(terminal, toValueJson(found.digest, known, uses));
      else terminal.write(print(describeValue(found.digest, known, uses)));
      return known === undefined ? 1 : 0;
    }
    const { record } = found;
    const reader = new ValueReader(cache);
    const args = await reader.arguments(record);
    const result = await reader.result(record);
    if (json) {
      const known = [...args].flatMap(([name, one]) =>
        one === undefined ? [] : [`${JSON.stringify(name)}:${toExactJson(one.value)}`]
      );
      const value = result === undefined ? "" : `,"value":${toExactJson(result.value)}`;
      const line = JSON.stringify(record).slice(0, -1);
      writeJson(terminal, `${line},"arguments":{${known.join(",")}}${value}}`);
    } else {
      const why = result === undefined && record.failure === undefined
        ? await whyMissing(cache, record.result)
        : "";
      terminal.write(print(describeCall(record, args, result, why)));
      if (record.failure !== undefined) terminal.write(describeFailure(record.failure.error));
    }
    return 0;
  },
};

function print(lines: readonly Line[]): string {
  const width = Math.max(...lines.map(([name]) => widthOf(name)));
  return lines.map(([name, text]) => {
    const space = " ".repeat(width - widthOf(name));
    return `${name}${space}  ${text}`.trimEnd() + "\n";
  }).join("");
}

function describeCall(
  record: CallRecord,
  args: ReadonlyMap<string, KnownValue>,
  result: KnownValue,
  why: string,
): Line[] {
  const { key, task, module, version, started, duration, failure, metadata } = record;
  const { tags: _, ...facts } = metadata ?? {};
  return [
    ["call", key],
    ["task", toSafeLine(task)],
    ["module", toSafeLine(module)],
    ...version === undefined ? [] : [["version", toPreview(version)] as const],
    ["started", toTime(started)],
    ["took", toDuration(duration)],
    ...record.args.map(({ name, value, digest }): Line => [
      `  ${toSafeLine(name)}`,
      describeKnown(value ?? digest, args.get(name), value === undefined),
    ]),
    ...failure === undefined
      ? [["result", describeKnown(record.result, result, false) + why] as const]
      : [["failed", `${toCount(failure.attempts, "attempt")}`] as const],
    ...toLines("tag", tagsOf(metadata)),
    ...toLines("", facts),
    ...(record.reads ?? []).map(({ kind, name }): Line => [`reads ${kind}`, toSafeLine(name)]),
  ];
}

function describeKnown(digest: string, known: KnownValue, isUnstored: boolean): string {
  const state = known === undefined
    ? isUnstored ? "(not stored)" : "(missing)"
    : toPreview(known.value);
  return `${toShort(digest)}  ${state}`;
}

function toLines(prefix: string, facts: { readonly [name: string]: unknown }): Line[] {
  return Object.entries(facts).map(([name, value]) => [
    toSafeLine(`${prefix} ${name}`.trim()),
    toPreview(value),
  ]);
}

function describeFailure(error: FailureError): string {
  const { name, message, stack, cause, errors = [] } = error;
  const text = toSafeText(stack?.includes(message) ? stack : `${name}: ${message}`);
  const inner = [...cause === undefined ? [] : [cause], ...errors];
  return `\n${text}\n${inner.map((one) => `caused by${describeFailure(one)}`).join("")}`;
}

async function readValue(cache: Cache, digest: string): Promise<KnownValue> {
  const found = await cache.value(digest);
  return found.hit ? found : undefined;
}

/** Why a value cannot be shown, as far as something else is known than that it is gone. */
async function whyMissing(cache: Cache, digest: string): Promise<string> {
  try {
    await cache.value(digest);
    return "";
  } catch (error) {
    return `: ${toSafeLine(error instanceof Error ? error.message : String(error))}`;
  }
}

/** The calls that a value is the result or an argument of. */
async function findUses(
  cache: Cache,
  digest: string,
): Promise<readonly { readonly as: string; readonly record: CallRecord }[]> {
  const uses: { as: string; record: CallRecord }[] = [];
  for await (const record of cache.records()) {
    if (record.result === digest) uses.push({ as: "result", record });
    for (const { name, value } of record.args) {
      if (value === digest) uses.push({ as: name, record });
    }
  }
  return uses;
}

type Uses = Awaited<ReturnType<typeof findUses>>;

/** So many calls are listed that have a value. */
const MOST_USES = 20;

function describeValue(digest: string, known: KnownValue, uses: Uses): Line[] {
  const shown = uses.slice(0, MOST_USES);
  const left = uses.length - shown.length;
  return [
    ["value", digest],
    ["is", known === undefined ? "(missing)" : toPreview(known.value)],
    ...shown.map(({ as, record }): Line => [
      as === "result" ? "result of" : `argument ${toSafeLine(as)} of`,
      `${toShort(record.key)}  ${toSafeLine(record.task)}`,
    ]),
    ...left > 0 ? [["", `and ${toCount(left, "more call")}`] as const] : [],
  ];
}

function toValueJson(digest: string, known: KnownValue, uses: Uses): string {
  const calls = uses.map(({ as, record: { key, task } }) => ({ as, key, task }));
  const value = known === undefined ? "" : `,"value":${toExactJson(known.value)}`;
  return `${JSON.stringify({ digest, calls }).slice(0, -1)}${value}}`;
}
