import {
  checkIsOptions,
  checkOptions,
  OBJECT,
  ofKind,
  oneOf,
  type OptionRules,
  TEXT,
} from "../base/check_options.ts";
import type { CallRecord, Json, RecordedTask, TaskAddress } from "./call_record.ts";

/** A task as templates know it. */
export interface KnownTask {
  /** How a worker finds it. */
  readonly address: TaskAddress;
  /**
   * What records know it by.
   *
   * @default {its address}
   */
  readonly identity?: RecordedTask;
}

/** What records of calls are to have in common; fields that are not given do not count. */
export interface CallTemplate {
  /** The task, or its name in any module. */
  task?: string | KnownTask;
  /** What the task's module is known by, as records have it. */
  module?: string;
  /** The version that the task was given; `1` and `"1"` are two. */
  version?: string | number;
  /**
   * What has become of the call: those that have failed are not among the others, and are kept as
   * `keepFailures` of their scope says.
   *
   * @default {"done"}
   */
  state?: "done" | "failed";
  /** Tags that the record must have, each equal. */
  tags?: { readonly [name: string]: Json };
  /** Metadata that the record must have, each equal. */
  metadata?: { readonly [name: string]: Json };
  /** Only calls whose body ended before this: a date, or milliseconds since 1970. */
  before?: Date | number;
  /** Only calls whose body ended at this or later: a date, or milliseconds since 1970. */
  after?: Date | number;
}

/** Which calls are meant: those of a task, what they have in common, or a function that tells. */
export type CallQuery =
  | CallTemplate
  | KnownTask
  | ((record: CallRecord) => boolean);

const TIME = ofKind(
  "a Date, or a number of milliseconds since 1970",
  (value) => value instanceof Date || typeof value === "number",
);

const FIELDS: OptionRules<CallTemplate> = {
  task: ofKind(
    "a task, or a task's name",
    (value) => typeof value === "string" || OBJECT.allows(Reflect.get(Object(value), "address")),
  ),
  module: TEXT,
  version: ofKind(
    "a string or a number",
    (value) => typeof value === "string" || typeof value === "number",
  ),
  state: oneOf(["done", "failed"]),
  tags: OBJECT,
  metadata: OBJECT,
  before: TIME,
  after: TIME,
};

/**
 * Makes what tells whether a record matches a template.
 *
 * @param query Which calls are meant.
 * @throws {TypeError} When the template has an unknown field.
 * @throws {RangeError} When `before` or `after` is no time.
 */
export function toMatcher(query: CallQuery): (record: CallRecord) => boolean {
  if (typeof query !== "function") checkIsOptions("match calls", query);
  // A task is a function, too.
  if (!("address" in query) && typeof query === "function") return query;
  const tests = toTests("address" in query ? { task: query } : query);
  return (record) => tests.every((test) => test(record));
}

type Test = (record: CallRecord) => boolean;

function toTests(template: CallTemplate): Test[] {
  checkOptions("match calls", template, FIELDS, "no field");
  const { task, module, version, state = "done", tags, metadata, before, after } = template;
  const tests: Test[] = [(record) => (record.failure !== undefined) === (state === "failed")];
  if (typeof task === "string") tests.push((record) => record.task === task);
  else if (task !== undefined) {
    const { address, identity = { module: address.module, task: address.name } } = task;
    tests.push((record) => record.task === identity.task && record.module === identity.module);
  }
  if (module !== undefined) tests.push((record) => record.module === module);
  if (version !== undefined) tests.push((record) => record.version === version);
  if (tags !== undefined) tests.push((record) => hasAll(record.metadata?.tags, tags));
  if (metadata !== undefined) tests.push((record) => hasAll(record.metadata, metadata));
  if (before !== undefined) {
    const limit = toTime("before", before);
    tests.push((record) => endOf(record) < limit);
  }
  if (after !== undefined) {
    const limit = toTime("after", after);
    tests.push((record) => endOf(record) >= limit);
  }
  return tests;
}

/**
 * Tells when the body of a call ended.
 *
 * @param record The record of the call.
 * @returns Milliseconds since 1970.
 */
export function endOf({ started, duration }: CallRecord): number {
  return started + duration;
}

function toTime(field: string, time: Date | number): number {
  const number = Number(time);
  if (Number.isNaN(number)) throw new RangeError(`Cannot match calls: "${field}" is no time`);
  return number;
}

function hasAll(
  found: Json | CallRecord["metadata"] | undefined,
  wanted: { readonly [name: string]: Json },
): boolean {
  if (typeof found !== "object" || found === null || Array.isArray(found)) return false;
  const fields = new Map(Object.entries(found));
  return Object.entries(wanted).every(([name, value]) => isEqual(fields.get(name), value));
}

/** Whether two JSON values are equal; the order of fields does not count. */
function isEqual(a: Json | undefined, b: Json | undefined): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const others = new Map(Object.entries(b));
  const fields = Object.entries(a);
  return fields.length === others.size &&
    fields.every(([name, value]) => others.has(name) && isEqual(value, others.get(name)));
}
