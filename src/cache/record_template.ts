import type { CallRecord, Json } from "../call/call_record.ts";

/**
 * Which calls are meant: a function that says so, or fields that a record must have. All that are
 * given must match; `metadata` and `tags` match when they hold at least what is given.
 */
export type RecordTemplate = ((record: CallRecord) => boolean) | RecordFields;

/** The fields that a record must have. */
export interface RecordFields {
  /** The task's name. */
  readonly task?: string;
  /** The URL of the task's module. */
  readonly module?: string;
  /** The version that the task was given. */
  readonly version?: string | number;
  /** What the metadata must hold. */
  readonly metadata?: { readonly [name: string]: Json };
  /** What the tags must hold: the same as `metadata: { tags }`. */
  readonly tags?: { readonly [name: string]: Json };
}

const FIELDS: readonly string[] = ["task", "module", "version", "metadata", "tags"];

/**
 * Tells whether a record is meant by a template.
 *
 * @param record The record.
 * @param template The template.
 * @returns Whether it is.
 * @throws {TypeError} If the template has a field that there is not.
 */
export function matchesRecord(record: CallRecord, template: RecordTemplate): boolean {
  if (typeof template === "function") return template(record);
  const unknown = Object.keys(template).find((name) => !FIELDS.includes(name));
  if (unknown !== undefined) {
    throw new TypeError(
      `Cannot match records by "${unknown}": the fields are ${
        FIELDS.map((name) => `"${name}"`).join(", ")
      }`,
    );
  }
  const { task, module, version, metadata = {}, tags = {} } = template;
  return (task === undefined || record.task === task) &&
    (module === undefined || record.module === module) &&
    (version === undefined || record.version === version) &&
    holds(record.metadata, metadata) && holds(record.metadata?.tags ?? {}, tags);
}

/** Whether data has all that other data has: objects at least these keys, all else the same. */
function holds(data: Json | { readonly [name: string]: Json }, wanted: unknown): boolean {
  if (typeof wanted !== "object" || wanted === null) return data === wanted;
  if (typeof data !== "object" || data === null) return false;
  if (Array.isArray(wanted) !== Array.isArray(data)) return false;
  if (Array.isArray(wanted) && Array.isArray(data) && wanted.length !== data.length) return false;
  return Object.entries(wanted).every(([name, value]) =>
    Object.hasOwn(data, name) && holds(Reflect.get(data, name), value)
  );
}
