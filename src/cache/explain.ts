import { InstanceError } from "../base/errors.ts";
import type { ArgumentRecord, CallRecord } from "../call/call_record.ts";
import { endOf, endTimeOf } from "../call/call_query.ts";
import { KEY_SCHEME } from "../call/call_key.ts";
import type { Digest, Found } from "../value/value.ts";
import { type Cache, checkCache } from "./cache.ts";
import { expand } from "./short_digests.ts";

/** Why the result of a call is not known, or how a call differs from another one. */
export type Reason =
  /** There is no cache to ask. */
  | { readonly kind: "no cache" }
  /** No call of the task is known. */
  | { readonly kind: "never seen" }
  /** The record is known, and its result is gone or damaged. */
  | { readonly kind: "value missing"; readonly result: Digest }
  /** The call was known under its key and was evicted, as far as the cache still tells. */
  | { readonly kind: "evicted" }
  /** The result is there, and does not count any more. */
  | {
    readonly kind: "expired";
    /** Since when, in milliseconds since 1970. */
    readonly at: number;
  }
  /** The call has no key, so that it is never remembered; `message` says why. */
  | { readonly kind: "no key"; readonly message: string }
  /** An argument is another: its digests, and the values where they are known and small. */
  | {
    readonly kind: "argument";
    /** The parameter's name. */
    readonly name: string;
    /** The digest in the known call; absent where it was not given. */
    readonly was?: Digest;
    /** The digest in the call that is asked for. */
    readonly is?: Digest;
    /** The value in the known call. */
    readonly wasValue?: { readonly value: unknown };
    /** The value in the call that is asked for. */
    readonly isValue?: { readonly value: unknown };
  }
  /** The version is another. */
  | {
    readonly kind: "version";
    /** That of the known call. */
    readonly was?: string | number;
    /** That of the call that is asked for. */
    readonly is?: string | number;
  }
  /** A part of the code was changed, is new, or is used no more. */
  | {
    readonly kind: "code";
    /** The file, from the task's module, and the binding; a package; or nothing, where it is unknown. */
    readonly part: string;
    /** What has become of it. */
    readonly change: "changed" | "added" | "removed";
    /** The first digits of its digest, or its version, in the known call. */
    readonly was?: string;
    /** The same in the call that is asked for. */
    readonly is?: string;
  }
  /** A file or environment variable that the task reads by name is another. */
  | {
    readonly kind: "read";
    /** What it is. */
    readonly what: "file" | "env";
    /** Its name. */
    readonly name: string;
    /** The digest of its content in the known call; absent where it was not read. */
    readonly was?: Digest;
    /** The same in the call that is asked for. */
    readonly is?: Digest;
  }
  /** Only calls of a task and file of the same names elsewhere are known, as after a file has moved. */
  | {
    readonly kind: "module";
    /** What its module is known by in the known call. */
    readonly was: string;
    /** The same in the call that is asked for. */
    readonly is: string;
  }
  /** Other parameters do not count. */
  | { readonly kind: "ignored" }
  /** The known call has a key of other rules, which `rekey()` can make anew. */
  | { readonly kind: "rules"; readonly was: number; readonly is: number };

/** Why a call is a hit or a miss. */
export interface Explanation {
  /** The task's name. */
  readonly task: string;
  /** The key of the call, if it has one. */
  readonly key?: Digest;
  /** Whether the result is known. */
  readonly hit: boolean;
  /** Why it is not known; for a hit, how the call differs from the nearest other one. */
  readonly reasons: readonly Reason[];
  /** The known call that it differs least from, if there is one. */
  readonly nearest?: CallRecord;
  /** The same for people. */
  toString(): string;
}

/** A call as far as its key goes. */
export interface ExplainedCall extends Pick<CallRecord, "task" | "module"> {
  /** The key, if it has one. */
  readonly key?: Digest;
  /** The version of the task. */
  readonly version?: string | number;
  /** The digest of the code. */
  readonly code?: Digest;
  /** What the code consists of. */
  readonly parts?: readonly string[];
  /** Which parameters do not count. */
  readonly ignored?: CallRecord["ignored"];
  /** What the task reads by name. */
  readonly reads?: CallRecord["reads"];
  /** The arguments that count and have digests. */
  readonly args: readonly ArgumentRecord[];
  /** Gives the value of an argument. */
  valueOf(argument: ArgumentRecord): Promise<{ readonly value: unknown } | undefined>;
  /** Tells since when a record counts no more; nothing if it does. */
  expiredAt?(record: CallRecord): Promise<number | undefined>;
}

/** Longer texts of values are no help. */
const LONGEST_VALUE = 120;

/**
 * Explains what a cache knows of a call, by its key: whether the result is there, and how the call
 * differs from the nearest other call of its task, which is why it had to be computed.
 *
 * All records are gone over.
 *
 * @param cache The cache.
 * @param key The key of the call, as `task.digest()` and records have it, or how it begins.
 * @returns The explanation: an object, and a text by `toString()`.
 * @throws {TypeError} When it is no cache, or the key is no text.
 * @throws {CacheMissError} When the cache has nothing that begins so.
 * @throws {AmbiguousDigestError} When several begin so; it says how many characters are needed.
 *
 * @example Why did this call run?
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { explain } from "@quiver/quiver/caches";
 * import { assertEquals } from "@std/assert";
 *
 * const decay = task(import.meta, (rate: number, t: number) => Math.exp(-rate * t), { name: "decay" });
 * const cache = createMemoryCache();
 * await cacheScope({ cache }, async () => {
 *   await decay(0.1, 2);
 *   await decay(0.2, 2);
 * });
 * const { hit, reasons } = await explain(cache, await decay.digest(0.2, 2));
 * assertEquals([hit, reasons.map(({ kind }) => kind)], [true, ["argument"]]);
 * ```
 */
export async function explain(cache: Cache, key: Digest): Promise<Explanation> {
  checkCache(cache, "explain a call as the first argument");
  if (typeof key !== "string") throw new TypeError("Cannot explain a call: its key is no text");
  const full = await expand(cache, key);
  const record = await cache.record(full);
  if (record === undefined) {
    const kind = await isEvicted(cache, full) ? "evicted" : "never seen";
    return toExplanation({ task: "", key: full, hit: false }, [{ kind }]);
  }
  const call = { ...record, valueOf: (argument: ArgumentRecord) => storedValue(cache, argument) };
  return await explainCall(cache, call);
}

/**
 * Explains what a cache knows of a call.
 *
 * @param unkeyed Why the call has no key, if it has none.
 */
export async function explainCall(
  cache: Cache | undefined,
  call: ExplainedCall,
  unkeyed?: string,
): Promise<Explanation> {
  const { task, key } = call;
  const about = { task, ...(key !== undefined && { key }) };
  const first: Reason[] = unkeyed === undefined ? [] : [{ kind: "no key", message: unkeyed }];
  if (cache === undefined) {
    return toExplanation({ ...about, hit: false }, [...first, { kind: "no cache" }]);
  }
  const record = key === undefined ? undefined : await cache.record(key);
  const known = key !== undefined && await cache.contains(key);
  const at = record && known ? await findExpiry(cache, record, call) : undefined;
  const hit = known && at === undefined;
  const evicted = record === undefined && key !== undefined && await isEvicted(cache, key);
  if (evicted) first.push({ kind: "evicted" });
  if (at !== undefined) first.push({ kind: "expired", at });
  else if (record !== undefined && !hit) {
    first.push({ kind: "value missing", result: record.result });
  }
  const nearest = await findNearest(cache, call, ({ module }) => module === call.module) ??
    await findNearest(cache, call, ({ module }) => isNamesake(module, call.module));
  if (nearest === undefined) {
    if (record === undefined && !evicted) first.push({ kind: "never seen" });
    return toExplanation({ ...about, hit }, first);
  }
  const reasons = [...first, ...await toReasons(cache, nearest, call)];
  return toExplanation({ ...about, hit, nearest }, reasons);
}

/** When the result has expired; nothing where another one beneath it has not. */
async function findExpiry(
  { stores: { calls } }: Cache,
  record: CallRecord,
  { expiredAt }: ExplainedCall,
): Promise<number | undefined> {
  const at = await expiredAt?.(record);
  if (at === undefined) return undefined;
  const isGood = async (other: CallRecord) => await expiredAt?.(other) === undefined;
  return await calls.findOther?.(record.key, isGood) === undefined ? at : undefined;
}

/** Whether a module may be another one that has moved: the names of the files are the same. */
function isNamesake(a: unknown, b: string): boolean {
  return typeof a === "string" && a.split("/").at(-1) === b.split("/").at(-1);
}

async function isEvicted(cache: Cache, key: Digest): Promise<boolean> {
  return await cache.stores.calls.isForgotten?.(key) ?? false;
}

/** The call of the same task that differs least, and of those the newest. */
async function findNearest(
  cache: Cache,
  call: ExplainedCall,
  isMeant: (record: CallRecord) => boolean,
): Promise<CallRecord | undefined> {
  let nearest: CallRecord | undefined;
  let least = Infinity;
  for await (const record of cache.records()) {
    if (record.task !== call.task || record.key === call.key || !isMeant(record)) continue;
    const distance = distanceOf(record, call);
    const newer = nearest === undefined || endOf(record) > endOf(nearest);
    if (distance > least || (distance === least && !newer)) continue;
    [nearest, least] = [record, distance];
  }
  return nearest;
}

function distanceOf(record: CallRecord, call: ExplainedCall): number {
  const other = [
    record.version !== call.version,
    record.code !== call.code,
    isOther(record.ignored, call.ignored),
    record.scheme !== KEY_SCHEME,
  ];
  return other.filter(Boolean).length + pairArguments(record, call).length +
    toReadReasons(record, call).length;
}

/** The files and environment variables that two calls differ in. */
function toReadReasons(
  { reads: was = [] }: Pick<CallRecord, "reads">,
  { reads: is = [] }: Pick<ExplainedCall, "reads">,
): Reason[] {
  // Anybody may have written the record.
  const known = Array.isArray(was) ? was : [];
  const names = new Map(
    [...known, ...is].map(({ kind, name }) => [`${kind} ${name}`, { kind, name }]),
  );
  return Array.from(names.values()).flatMap(({ kind, name }): Reason[] => {
    const [before, after] = [known, is].map((list) =>
      list.find((one) => one.kind === kind && one.name === name)?.digest
    );
    if (before === after) return [];
    return [{
      ...{ kind: "read", what: kind, name },
      ...(before !== undefined && { was: before }),
      ...(after !== undefined && { is: after }),
    }];
  });
}

interface ArgumentPair {
  readonly name: string;
  readonly was: ArgumentRecord | undefined;
  readonly is: ArgumentRecord | undefined;
}

/** The arguments that two calls differ in. */
function pairArguments(record: Pick<CallRecord, "args">, call: ExplainedCall): ArgumentPair[] {
  const names = new Set([...record.args, ...call.args].map(({ name }) => name));
  return Array.from(names, (name) => ({
    name,
    was: record.args.find((argument) => argument.name === name),
    is: call.args.find((argument) => argument.name === name),
  })).filter(({ was, is }) => was?.digest !== is?.digest);
}

async function toReasons(
  cache: Cache,
  record: CallRecord,
  call: ExplainedCall,
): Promise<Reason[]> {
  const reasons: Reason[] = [];
  if (record.module !== call.module) {
    reasons.push({ kind: "module", was: record.module, is: call.module });
  }
  if (record.scheme !== KEY_SCHEME) {
    reasons.push({ kind: "rules", was: record.scheme, is: KEY_SCHEME });
  }
  for (const { name, was, is } of pairArguments(record, call)) {
    const [wasValue, isValue] = [
      was && await storedValue(cache, was),
      is && await call.valueOf(is),
    ];
    reasons.push({
      kind: "argument",
      name,
      ...(was !== undefined && { was: was.digest }),
      ...(is !== undefined && { is: is.digest }),
      ...(isSmall(wasValue) && { wasValue }),
      ...(isSmall(isValue) && { isValue }),
    });
  }
  if (record.version !== call.version) {
    reasons.push({
      kind: "version",
      ...(record.version !== undefined && { was: record.version }),
      ...(call.version !== undefined && { is: call.version }),
    });
  }
  reasons.push(...toReadReasons(record, call));
  if (isOther(record.ignored, call.ignored)) reasons.push({ kind: "ignored" });
  if (record.code !== call.code) reasons.push(...toCodeReasons(record, call));
  return reasons;
}

/** The parts of the code that two calls differ in; without parts there is only the function. */
function toCodeReasons(
  record: Pick<CallRecord, "code" | "parts" | "task">,
  call: ExplainedCall,
): Reason[] {
  const [was, is] = [toParts(record), toParts(call)];
  const names = new Set([...was.keys(), ...is.keys()]);
  const reasons = Array.from(names).flatMap((part): Reason[] => {
    const [before, after] = [was.get(part), is.get(part)];
    if (before === after) return [];
    const change = before === undefined ? "added" : after === undefined ? "removed" : "changed";
    return [{
      kind: "code",
      part,
      change,
      ...(before !== undefined && { was: before }),
      ...(after !== undefined && { is: after }),
    }];
  });
  return reasons.length > 0 ? reasons : [{ kind: "code", part: "", change: "changed" }];
}

function toParts(
  { code, parts, task }: {
    readonly code?: Digest;
    readonly parts?: readonly string[];
    readonly task: string;
  },
): Map<string, string> {
  // Anybody may have written the record.
  if (!Array.isArray(parts)) {
    return new Map(code === undefined ? [] : [[`${task}()`, String(code).slice(0, 8)]]);
  }
  const texts = parts.map(String).map((part) => {
    const gap = part.lastIndexOf(" ");
    return [part.slice(0, gap), part.slice(gap + 1)] as const;
  });
  // A few may have one name, as two statements that are written alike.
  const found = new Map<string, string>();
  for (const [name, digest] of texts) {
    const known = found.get(name);
    found.set(name, known === undefined ? digest : `${known} ${digest}`);
  }
  return found;
}

function isOther(a: CallRecord["ignored"], b: CallRecord["ignored"]): boolean {
  return String(a ?? []) !== String(b ?? []);
}

async function storedValue(
  cache: Cache,
  { value }: ArgumentRecord,
): Promise<{ readonly value: unknown } | undefined> {
  if (value === undefined) return undefined;
  const found = await readStored(cache, value);
  return found.hit ? { value: found.value } : undefined;
}

/** Of a class that is not known here, what stands for its instances tells people as much. */
async function readStored(cache: Cache, digest: Digest): Promise<Found<unknown>> {
  try {
    return await cache.value(digest);
  } catch (error) {
    if (!(error instanceof InstanceError)) throw error;
    return await cache.stores.values.get(digest);
  }
}

function isSmall(
  found: { readonly value: unknown } | undefined,
): found is { readonly value: unknown } {
  return found !== undefined && toText(found.value).length <= LONGEST_VALUE;
}

function toText(value: unknown): string {
  return Deno.inspect(value, { compact: true, breakLength: Infinity, iterableLimit: 20 });
}

function toExplanation(
  fields: Omit<Explanation, "reasons" | "toString">,
  reasons: readonly Reason[],
): Explanation {
  const toString = () => describe(fields, reasons);
  // Two explanations are the same if their data is.
  return Object.defineProperty({ ...fields, reasons }, "toString", { value: toString });
}

function describe(
  { task, key, hit, nearest }: Omit<Explanation, "reasons" | "toString">,
  reasons: readonly Reason[],
): string {
  const name = [`"${task}"`, key?.slice(0, 8)].filter(Boolean).join(" ");
  const heading = hit ? `${name} is known` : `${name} is not known`;
  const compared = nearest === undefined ? "" : `, compared with ${nearest.key.slice(0, 8)} of ` +
    new Date(endTimeOf(nearest)).toISOString();
  return [`${heading}${compared}`, ...reasons.map((reason) => `  ${toLine(reason)}`)].join("\n");
}

function toLine(reason: Reason): string {
  switch (reason.kind) {
    case "no cache":
      return "there is no cache here";
    case "never seen":
      return "no call of it is known";
    case "expired":
      return `its result has expired${toMoment(reason.at)}`;
    case "value missing":
      return `its result ${reason.result.slice(0, 8)} is gone or damaged`;
    case "evicted":
      return "it was known and was evicted";
    case "no key":
      return `it is never remembered: ${reason.message}`;
    case "argument":
      return `argument ${reason.name}: ${toArgument(reason.was, reason.wasValue)} → ` +
        toArgument(reason.is, reason.isValue);
    case "version":
      return `version: ${toVersion(reason.was)} → ${toVersion(reason.is)}`;
    case "code":
      return reason.part === ""
        ? "the code changed"
        : `code: ${reason.part} ${TEXTS[reason.change]}${toChange(reason)}`;
    case "read":
      return `${reason.what === "env" ? "variable" : "file"} ${reason.name}: ` +
        `${toSide(reason.was, undefined)} → ${toSide(reason.is, undefined)}`;
    case "module":
      return `module: ${reason.was} → ${reason.is}; rekey() carries calls over`;
    case "ignored":
      return "other parameters do not count";
    case "rules":
      return `keys are made by other rules: ${reason.was} → ${reason.is}; rekey() carries calls over`;
  }
}

function toMoment(time: number): string {
  // A record may say anything.
  return Number.isNaN(new Date(time).getTime()) ? "" : ` at ${new Date(time).toISOString()}`;
}

const TEXTS = { changed: "changed", added: "is new", removed: "is used no more" } as const;

function toChange({ was, is }: { readonly was?: string; readonly is?: string }): string {
  return was === undefined || is === undefined ? "" : `, ${was} → ${is}`;
}

/** Of an argument that is long, or was not stored, there is the digest. */
function toArgument(digest: Digest | undefined, found: Parameters<typeof toSide>[1]): string {
  const isDigest = digest !== undefined && found === undefined;
  return `${isDigest ? "digest " : ""}${toSide(digest, found)}`;
}

function toSide(
  digest: Digest | undefined,
  found: { readonly value: unknown } | undefined,
): string {
  if (found !== undefined) return toText(found.value);
  return digest === undefined ? "not given" : digest.slice(0, 8);
}

function toVersion(version: string | number | undefined): string {
  return version === undefined ? "none" : JSON.stringify(version);
}
