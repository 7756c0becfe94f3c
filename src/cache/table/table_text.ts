import { isNumberArray } from "../../value/array_shape.ts";

/**
 * Makes of a value what JSON can say of it.
 *
 * @returns Data without what JSON has no word for: typed arrays are arrays, bigints, errors and regular
 * expressions texts, what has a `toJSON` (dates, URLs, `Temporal`) what that gives, and what is missing,
 * NaN or a cycle is null.
 */
export function toJsonValue(value: unknown, around: ReadonlySet<object> = new Set()): unknown {
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value !== "object" || value === null || around.has(value)) return null;
  if (value instanceof Error || value instanceof RegExp) return String(value);
  const inside = new Set(around).add(value);
  const toItems = (items: Iterable<unknown>) =>
    Array.from(items, (item) => toJsonValue(item, inside));
  if (Array.isArray(value) || isNumberArray(value) || value instanceof Set) return toItems(value);
  if (value instanceof ArrayBuffer) return [...new Uint8Array(value)];
  if (value instanceof Map) return toItems(value);
  if ("toJSON" in value && typeof value.toJSON === "function") {
    return toJsonValue(value.toJSON(), inside);
  }
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(fields.map(([name, field]) => [name, toJsonValue(field, inside)]));
}

/**
 * Makes a line of comma-separated values.
 *
 * @returns The line with its line feed.
 */
export function toCsvLine(values: readonly unknown[]): string {
  return `${values.map(toCsvField).join(",")}\n`;
}

function toCsvField(value: unknown): string {
  if (value === undefined || value === null) return "";
  // What would be taken for missing.
  if (value === "") return '""';
  const text = toPlainText(value);
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A value as text: what has no text of its own is JSON. */
export function toPlainText(value: unknown): string {
  // JSON has no word for NaN and infinity, and a table has.
  if (typeof value !== "object") return String(value);
  const json = toJsonValue(value);
  return typeof json === "string" ? json : JSON.stringify(json);
}
