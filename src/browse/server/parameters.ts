import type { ColumnFilter, Selection } from "./select_calls.ts";

/** A request that says what nobody understands. */
export class BadRequestError extends Error {
  override readonly name = "BadRequestError";
}

/** Reads a number that is not negative. */
export function readCount(url: URL, name: string, fallback: number, most: number): number {
  const text = url.searchParams.get(name);
  if (text === null) return fallback;
  const count = Number(text);
  if (text !== "" && Number.isSafeInteger(count) && count >= 0) return Math.min(count, most);
  throw new BadRequestError(`Cannot read \`${name}\`: "${text}" is no number of at least 0`);
}

/** Reads a finite number. */
export function readNumber(url: URL, name: string, fallback: number): number {
  const text = url.searchParams.get(name);
  if (text === null) return fallback;
  const value = Number(text);
  if (text !== "" && Number.isFinite(value)) return value;
  throw new BadRequestError(`Cannot read \`${name}\`: "${text}" is no number`);
}

/** Reads what must be there. */
export function readText(url: URL, name: string): string {
  const text = url.searchParams.get(name);
  if (text !== null) return text;
  throw new BadRequestError(`Cannot answer "${url.pathname}": \`${name}\` is missing`);
}

/** Reads names with commas between them, each escaped as in an address. */
export function readNames(url: URL, name: string): string[] {
  const text = url.searchParams.get(name) ?? "";
  try {
    return text === "" ? [] : text.split(",").map(decodeURIComponent);
  } catch {
    throw new BadRequestError(`Cannot read \`${name}\`: "${text}" is not escaped as in an address`);
  }
}

/** Reads which calls are wanted. */
export function readSelection(url: URL): Selection {
  return {
    filters: readFilters(url.searchParams.get("filters") ?? "[]"),
    search: url.searchParams.get("search") ?? "",
    sort: url.searchParams.get("sort") ?? "-started",
  };
}

/** More filters than these are none that a person has made. */
const MOST_FILTERS = 64;

function readFilters(text: string): ColumnFilter[] {
  let filters: unknown;
  try {
    filters = JSON.parse(text);
  } catch (cause) {
    throw new BadRequestError("Cannot read `filters`: they are no JSON", { cause });
  }
  if (Array.isArray(filters) && filters.length <= MOST_FILTERS && filters.every(isFilter)) {
    return filters;
  }
  throw new BadRequestError(
    "Cannot read `filters`: they are a list of objects with `column` and `is`, `from`, `to` or `has`",
  );
}

function isFilter(value: unknown): value is ColumnFilter {
  if (typeof value !== "object" || value === null) return false;
  const { column, is, not, from, to, has }: { readonly [name: string]: unknown } = { ...value };
  const isOne = (one: unknown) =>
    typeof one !== "object" || one === null || isText(Reflect.get(one, "digest")) ||
    isText(Reflect.get(one, "text"));
  return isText(column) && (is === undefined || Array.isArray(is) && is.every(isOne)) &&
    [from, to].every((bound) => bound === undefined || typeof bound === "number") &&
    (has === undefined || isText(has)) && (not === undefined || typeof not === "boolean");
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}
