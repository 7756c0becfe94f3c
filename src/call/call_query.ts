import {
  checkIsOptions,
  checkOptions,
  OBJECT,
  ofKind,
  oneOf,
  type OptionRule,
  type OptionRules,
  TEXT,
} from "../base/check_options.ts";
import type { CallRecord, CallUse, Json, RecordedTask, TaskAddress } from "./call_record.ts";
import { ask, Condition, type ConditionData } from "./condition.ts";

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

/**
 * What a value of a record is to be: equal to another, the order of fields left out; as
 * {@linkcode where} says; or as a function tells, which is only asked about what is there.
 *
 * @typeParam T The value.
 */
export type Wanted<T> = T | Condition | ((value: T) => boolean);

/**
 * What tags or metadata are to be: as one value is wanted; or an object with a condition or a function in
 * it, each of whose fields is wanted so, whatever others there are.
 */
export type WantedFact = Wanted<Json> | { readonly [name: string]: WantedFact };

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
  /**
   * Tags that the call must have been computed or used with, all at once, each as it is wanted: equal, as
   * `where` says, or as a function tells. A use without any tags is none of these.
   */
  tags?: { readonly [name: string]: WantedFact };
  /**
   * Metadata that the record must have, each as it is wanted, such as
   * `{ annotations: { loss: where.below(0.1) } }`.
   */
  metadata?: { readonly [name: string]: WantedFact };
  /** How long the bodies took, in milliseconds. */
  duration?: Wanted<number>;
  /** Only calls whose body ended before this: a date, or milliseconds since 1970. */
  before?: Date | number;
  /** Only calls whose body ended at this or later: a date, or milliseconds since 1970. */
  after?: Date | number;
  /**
   * Only calls that were last used before a time, or at that or later; computing counts. Dates, or
   * milliseconds since 1970.
   */
  lastUsed?: { readonly before?: Date | number; readonly after?: Date | number };
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

/** How long or how much, or what tells. */
export const AMOUNT: OptionRule = {
  ...ofKind(
    "a number that is not negative, a condition or a function",
    (value) => isTest(value) || (typeof value === "number" && value >= 0),
  ),
  number: true,
};

/** What the fields of a template are to be. */
export const TEMPLATE_FIELDS: OptionRules<CallTemplate> = {
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
  duration: AMOUNT,
  before: TIME,
  after: TIME,
  lastUsed: OBJECT,
};

const SPAN_FIELDS: OptionRules<NonNullable<CallTemplate["lastUsed"]>> = {
  before: TIME,
  after: TIME,
};

/** Whether something tells by itself what matches, other than by being equal. */
export function isTest(wanted: unknown): wanted is Condition | ((value: never) => boolean) {
  return wanted instanceof Condition || typeof wanted === "function";
}

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
  if (!("address" in query) && typeof query === "function") return (record) => ask(query, record);
  const tests = toTests("address" in query ? { task: query } : query);
  return (record) => tests.every((test) => test(record));
}

type Test = (record: CallRecord) => boolean;

function toTests(template: CallTemplate): Test[] {
  checkOptions("match calls", template, TEMPLATE_FIELDS, "no field");
  const { tags, metadata, state = "done", duration, before, after, lastUsed } = template;
  const isTask = toTaskTest(template);
  const tests: Test[] = [(record) => stateOf(record) === state];
  if (isTask !== undefined) tests.push(isTask);
  if (tags !== undefined) tests.push((record) => hasTags(record, tags));
  if (metadata !== undefined) tests.push((record) => hasAll(record.metadata, metadata));
  if (duration !== undefined) tests.push((record) => isWanted(record.duration, duration));
  if (before !== undefined) {
    const limit = toTime("before", before);
    tests.push((record) => endTimeOf(record) < limit);
  }
  if (after !== undefined) {
    const limit = toTime("after", after);
    tests.push((record) => endTimeOf(record) >= limit);
  }
  if (lastUsed !== undefined) tests.push(toUseTest(lastUsed));
  return tests;
}

function toUseTest(span: NonNullable<CallTemplate["lastUsed"]>): Test {
  checkOptions("match calls by `lastUsed`", span, SPAN_FIELDS, "no field");
  const { before = Infinity, after = -Infinity } = span;
  const [most, least] = [toTime("lastUsed.before", before), toTime("lastUsed.after", after)];
  return (record) => lastUseOf(record) < most && lastUseOf(record) >= least;
}

/** When a call was last used; computing counts, by the wall clock. */
function lastUseOf(record: CallRecord): number {
  const { wall = endOf(record), lastUsed = -Infinity } = record;
  return Math.max(wall, lastUsed);
}

function hasTags(record: CallRecord, tags: NonNullable<CallTemplate["tags"]>): boolean {
  return hasOwnTags(record, tags) ||
    record.uses?.some((use) => hasUseTags(use.tags, tags)) === true;
}

/**
 * Tells whether a use is one with these tags; one that has none never is.
 *
 * @param found The tags of the use.
 * @param tags Those that are wanted.
 */
export function hasUseTags(
  found: CallUse["tags"],
  tags: NonNullable<CallTemplate["tags"]>,
): boolean {
  return Object.keys(found).length > 0 && hasAll(found, tags);
}

/** Whether a call itself was computed with these tags. */
export function hasOwnTags(
  { metadata }: CallRecord,
  tags: NonNullable<CallTemplate["tags"]>,
): boolean {
  return hasAll(metadata?.tags, tags);
}

/** What of a record says which task was called. */
export type TaskFields = Pick<CallRecord, "module" | "task" | "version">;

/** Tells by the task alone whether a call may match; nothing where any may. */
function toTaskTest(template: CallTemplate): ((fields: TaskFields) => boolean) | undefined {
  const { task, module, version } = template;
  if (task === undefined && module === undefined && version === undefined) return undefined;
  const wanted: { readonly task?: string | undefined; readonly module?: string } =
    typeof task === "string" || task === undefined ? { task } : identityOf(task);
  return (fields) =>
    (wanted.task === undefined || fields.task === wanted.task) &&
    (wanted.module === undefined || fields.module === wanted.module) &&
    (module === undefined || fields.module === module) &&
    (version === undefined || fields.version === version);
}

function identityOf(task: KnownTask): { readonly task: string; readonly module?: string } {
  const { address, identity = { module: address.module, task: address.name } } = task;
  return identity;
}

/** Something that the JSON of a record is to say, as data. */
export interface FieldCondition {
  /** Where in the record: `["metadata", "tags", "run"]`. */
  readonly path: readonly string[];
  /** What is to be there. */
  readonly wanted: { readonly is: "equal"; readonly value: Json } | ConditionData;
}

/** What stores need to know of a query to leave out what cannot match. */
export interface RecordPlan {
  /** Tells by its task whether a record may match; absent where any may. */
  readonly ofTask?: (fields: TaskFields) => boolean;
  /** What else is wanted, as far as it is data. */
  readonly conditions: readonly FieldCondition[];
  /** Whether that is all that is wanted. */
  readonly whole: boolean;
}

/**
 * Says what a store may leave out by itself. It may leave out less: whoever asks for records looks at
 * each of them with {@linkcode toMatcher}.
 *
 * @param query Which calls are meant.
 * @returns The plan.
 */
export function toPlan(query: CallQuery): RecordPlan {
  if (!("address" in query) && typeof query === "function") return { conditions: [], whole: false };
  const template: CallTemplate = "address" in query ? { task: query } : query;
  const { tags, metadata, state, duration, before, after, lastUsed } = template;
  const ofTask = toTaskTest(template);
  const facts = [
    ...toFacts(["metadata", "tags"], tags),
    ...toFacts(["metadata"], metadata),
    ...(duration === undefined ? [] : [{ path: ["duration"], wanted: toData(duration) }]),
  ];
  const conditions = facts.flatMap(({ path, wanted }) =>
    wanted === undefined ? [] : [{ path, wanted }]
  );
  // An object without fields is to be there all the same.
  const isEmpty = (facts: object | undefined) =>
    facts !== undefined && Object.keys(facts).length === 0;
  const whole = conditions.length === facts.length && !isEmpty(tags) && !isEmpty(metadata) &&
    state === undefined && before === undefined && after === undefined && lastUsed === undefined;
  return { ...(ofTask !== undefined && { ofTask }), conditions, whole };
}

/** What is to be said of one field, if that is to be data. */
interface WantedField {
  readonly path: readonly string[];
  readonly wanted: FieldCondition["wanted"] | undefined;
}

function toFacts(
  path: readonly string[],
  facts: CallTemplate["metadata"] = {},
): readonly WantedField[] {
  return Object.entries(facts).flatMap(([name, wanted]) => {
    const at = [...path, name];
    return holdsTest(wanted) ? toFacts(at, wanted) : [{ path: at, wanted: toData(wanted) }];
  });
}

/** Whether something is an object whose fields are looked at one by one. */
function holdsTest(wanted: WantedFact): wanted is { readonly [name: string]: WantedFact } {
  if (typeof wanted !== "object" || wanted === null) return false;
  if (Array.isArray(wanted) || wanted instanceof Condition) return false;
  return Object.values(wanted).some((field) => isTest(field) || holdsTest(field));
}

function toData<T extends Json>(
  wanted: Wanted<T> | undefined,
): FieldCondition["wanted"] | undefined {
  if (wanted === undefined) return { is: "absent" };
  if (wanted instanceof Condition) return wanted.data;
  return typeof wanted === "function" ? undefined : { is: "equal", value: wanted };
}

/** How a call has ended. */
export function stateOf(record: CallRecord): "done" | "failed" {
  return record.failure === undefined ? "done" : "failed";
}

/**
 * Tells when the body of a call ended, so that what ended later is greater, whatever the wall clock said.
 *
 * @param record The record of the call.
 * @returns Milliseconds since 1970, unless the wall clock had been set back.
 */
export function endOf({ started, duration }: CallRecord): number {
  return started + duration;
}

/**
 * Tells when the body of a call ended by the wall clock.
 *
 * @param record The record of the call.
 * @returns Milliseconds since 1970.
 */
export function endTimeOf(record: CallRecord): number {
  return record.wall ?? endOf(record);
}

/**
 * Tells when the body of a call began by the wall clock.
 *
 * @param record The record of the call.
 * @returns Milliseconds since 1970.
 */
export function startTimeOf({ wall, started, duration }: CallRecord): number {
  return wall === undefined ? started : wall - duration;
}

function toTime(field: string, time: Date | number): number {
  const number = Number(time);
  if (Number.isNaN(number)) throw new RangeError(`Cannot match calls: "${field}" is no time`);
  return number;
}

function hasAll(
  found: Json | CallRecord["metadata"] | undefined,
  wanted: { readonly [name: string]: WantedFact },
): boolean {
  const isObject = typeof found === "object" && found !== null && !Array.isArray(found);
  const all = Object.entries(wanted);
  if (!isObject && all.length === 0) return false;
  const fields = new Map(isObject ? Object.entries(found) : []);
  return all.every(([name, value]) =>
    holdsTest(value) ? hasAll(fields.get(name), value) : isWanted(fields.get(name), value)
  );
}

/**
 * Tells whether a value is what is wanted.
 *
 * @typeParam T The value.
 * @param found The value; `undefined` where there is none.
 */
function isWanted<T extends Json>(found: T | undefined, wanted: Wanted<T>): boolean {
  if (wanted instanceof Condition) return wanted.matches(found);
  if (typeof wanted === "function") return found !== undefined && ask(wanted, found);
  return isEqual(found, wanted);
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
