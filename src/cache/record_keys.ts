import { compareValues } from "../call/condition.ts";
import type { CallRecord } from "../call/call_record.ts";
import type { Stores } from "../store/stores.ts";
import { digestArgument } from "../value/digest/digest_value.ts";
import { CallValues } from "./call_values.ts";

/**
 * What calls are ordered or grouped by: a field of their records, an argument by the name of its
 * parameter or of a field of an object, or what a function makes of a record.
 */
export type RecordKey =
  | "key"
  | "module"
  | "task"
  | "version"
  | "code"
  | "result"
  | "started"
  | "duration"
  | { readonly arg: string }
  | ((record: CallRecord) => unknown);

const FIELDS: readonly unknown[] = [
  "key",
  "module",
  "task",
  "version",
  "code",
  "result",
  "started",
  "duration",
];

/**
 * Tells what a record is ordered or grouped by.
 *
 * @param action What cannot be done with a wrong one.
 * @throws {TypeError} When it is none.
 */
export function checkRecordKey(action: string, by: RecordKey): void {
  const isArgument = typeof by === "object" && by !== null && typeof by.arg === "string";
  if (typeof by === "function" || isArgument || FIELDS.includes(by)) return;
  throw new TypeError(
    `Cannot ${action} as it is by ${FIELDS.join(", ")}, { arg: name } or a function: ` +
      `current value is ${typeof by === "string" ? JSON.stringify(by) : String(by)}`,
  );
}

/**
 * Makes what reads that of a record; `undefined` where a record has none, or its argument is not known.
 *
 * @param stores Where the arguments are.
 */
export function toKeyReader(
  stores: Stores,
  by: RecordKey,
): (record: CallRecord) => unknown {
  if (typeof by === "function") return by;
  if (typeof by === "string") return (record) => record[by];
  return async (record) => {
    const known = await new CallValues(stores, record).named(by.arg);
    return known.state === "there" ? known.value : undefined;
  };
}

/** Gives what stands for a value among others: itself, or the digest of an object. */
export function digestBy(value: unknown): unknown {
  return typeof value === "object" && value !== null ? digestArgument(value) : value;
}

/** The order of types where they are mixed; what is absent comes last, whichever way they are sorted. */
const TYPES: readonly string[] = ["boolean", "number", "bigint", "string", "date", "object"];

/**
 * Compares two of them for sorting.
 *
 * @param reverse Whether the greatest comes first.
 */
export function compareKeys(one: unknown, other: unknown, reverse: boolean): number {
  const [a, b] = [isLast(one), isLast(other)];
  if (a || b) return Number(a) - Number(b);
  const order = compareValues(one, other) ?? compareTypes(one, other);
  return reverse ? -order : order;
}

function compareTypes(one: unknown, other: unknown): number {
  if (typeof one === "boolean" && typeof other === "boolean") return Number(one) - Number(other);
  return TYPES.indexOf(typeOf(one)) - TYPES.indexOf(typeOf(other));
}

function typeOf(value: unknown): string {
  return value instanceof Date ? "date" : typeof value;
}

function isLast(value: unknown): boolean {
  return value === undefined || value === null ||
    Number.isNaN(value instanceof Date ? value.getTime() : value);
}
