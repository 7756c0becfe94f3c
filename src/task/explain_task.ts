/**
 * What `task.explain()` and `task.accept()` do; loaded with the first that is called.
 *
 * @module
 */
import { checkOptions, ofKind, type OptionRules } from "../base/check_options.ts";
import { type Cache, RecordCheck } from "../cache/cache.ts";
import { explainCall, type Explanation } from "../cache/explain.ts";
import type { ArgumentRecord, CallRecord, TaskAddress } from "../call/call_record.ts";
import { endOf, endTimeOf } from "../call/call_query.ts";
import { countedValue, type KeyedCall } from "../call/call_key.ts";
import { acceptRecords } from "../store/rekey.ts";
import { digestArgument } from "../value/digest/digest_value.ts";
import { giveShared } from "../value/share.ts";
import type { AcceptOptions, AcceptResult } from "./accept.ts";
import type { TaskDefinition } from "./definition.ts";

/**
 * Explains what a cache knows of a call.
 *
 * @param args The arguments.
 * @param made The call with its key, or what was thrown when the key was made.
 */
export async function explainTask(
  definition: TaskDefinition,
  cache: Cache | undefined,
  args: readonly unknown[],
  made: KeyedCall | { readonly thrown: unknown },
): Promise<Explanation> {
  const { module, name: task } = definition.knownAs;
  if (!("thrown" in made)) {
    const call = { ...made, module, task };
    const valueOf = ({ position = 0 }: ArgumentRecord) =>
      Promise.resolve({ value: giveShared([countedValue(made, position)])[0] });
    const expiredAt = async (record: CallRecord) => {
      const { validity } = definition;
      const next = { admits: () => true };
      const check = RecordCheck.of({}, { name: task, warn: () => {}, validity }, next);
      if (check === undefined || await check.admits(record)) return undefined;
      return Math.min(endTimeOf(record) + (validity?.expiresAfter ?? Infinity), Date.now());
    };
    return await explainCall(cache, { ...call, valueOf, expiredAt });
  }
  const { thrown } = made;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const { version, code, parts } = definition.identity ?? {};
  const call = {
    module,
    task,
    ...(version !== undefined && { version }),
    ...(code !== undefined && { code }),
    ...(parts !== undefined && { parts }),
    args: toDigestible(definition, args),
    valueOf: ({ position = 0 }: ArgumentRecord) => Promise.resolve({ value: args[position] }),
  };
  return await explainCall(cache, call, message);
}

/** The arguments that have digests. */
function toDigestible({ profile }: TaskDefinition, args: readonly unknown[]): ArgumentRecord[] {
  return args.flatMap((value, position) => {
    const name = profile?.parameters[position]?.name ?? String(position);
    try {
      return [{ name, position, digest: digestArgument(value) }];
    } catch {
      return [];
    }
  });
}

const RULES: OptionRules<AcceptOptions> = {
  since: ofKind(
    "a Date, or a number of milliseconds since 1970",
    (value) => value instanceof Date || typeof value === "number",
  ),
  dryRun: ofKind("true or false", (value) => typeof value === "boolean"),
};

/**
 * Gives calls of older code the keys of today's.
 *
 * @param cache The cache that knows them.
 */
export async function acceptTask(
  definition: TaskDefinition,
  cache: Cache | undefined,
  options: AcceptOptions,
): Promise<AcceptResult> {
  const { name, knownAs, address } = definition;
  checkOptions(`accept calls of "${name}"`, options, RULES);
  const { since, dryRun = false } = options;
  if (cache === undefined) {
    throw new TypeError(`Cannot accept calls of "${name}": there is no cache here`);
  }
  if (cache.readOnly && !dryRun) {
    throw new TypeError(`Cannot accept calls of "${name}": the cache is read-only`);
  }
  const limit = Number(since ?? -Infinity);
  if (Number.isNaN(limit)) {
    throw new RangeError(`Cannot accept calls of "${name}": \`since\` is no time`);
  }
  await definition.readProfile();
  const { version, code, parts, ignored } = definition.identity ?? {};
  if (code === undefined) {
    throw new TypeError(`Cannot accept calls of "${name}": its code does not count`);
  }
  const isOf = ({ task, module }: CallRecord, known: TaskAddress) =>
    task === known.name && module === known.module;
  const older: CallRecord[] = [];
  const moved: CallRecord[] = [];
  for await (const record of cache.records()) {
    const isPresent = isOf(record, knownAs);
    const isSame = record.version === version &&
      String(record.ignored ?? []) === String(ignored ?? []);
    if (!isSame || record.code === undefined || endTimeOf(record) < limit) continue;
    if (!isPresent && !isOf(record, address)) continue;
    if (record.code !== code) older.push(record);
    // Before keys followed projects, it was known by the URL of its module.
    else if (!isPresent) moved.push(record);
  }
  // Without a limit it is the last edit that is meant.
  const newest = older.reduce<CallRecord | undefined>(
    (a, b) => a !== undefined && endOf(a) > endOf(b) ? a : b,
    undefined,
  );
  const meant = since === undefined ? older.filter((one) => one.code === newest?.code) : older;
  const change = {
    ...{ module: knownAs.module, task: knownAs.name, code },
    ...(parts !== undefined && { parts }),
  };
  return await acceptRecords(cache.stores, [...moved, ...meant], change, dryRun);
}
