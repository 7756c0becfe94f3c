import type { Cell } from "./server.tsx";

/** What the cells of a column are to be, as the server takes it. */
export interface Filter {
  readonly column: string;
  readonly is?: readonly (Cell | { readonly digest: string })[];
  readonly not?: boolean;
  readonly from?: number;
  readonly to?: number;
  readonly has?: string;
}

/** Reads the filters of an address; what is none is as if it were not there. */
export function readFilters(text: string | undefined): Filter[] {
  try {
    const filters: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(filters) ? filters : [];
  } catch {
    return [];
  }
}

/** Writes filters into an address. */
export function writeFilters(filters: readonly Filter[]): string {
  return filters.length === 0 ? "" : JSON.stringify(filters);
}

/** Takes a cell among what a column is to be, or out of it. */
export function toggleCell(
  filters: readonly Filter[],
  column: string,
  cell: Cell,
  digest: string | undefined,
): Filter[] {
  // What is no primitive is known by its digest, and by its text where it has none.
  const isPlain = cell === null || typeof cell !== "object";
  const wanted = isPlain || digest === undefined ? cell : { digest };
  const text = JSON.stringify(wanted);
  const isOwn = (filter: Filter) =>
    filter.column === column && filter.is !== undefined && !filter.not;
  const before = filters.find(isOwn)?.is ?? [];
  const without = before.filter((one) => JSON.stringify(one) !== text);
  const is = without.length < before.length ? without : [...before, wanted];
  const others = filters.filter((filter) => !isOwn(filter));
  return is.length === 0 ? others : [...others, { column, is }];
}

/** Says what a filter asks for. */
export function describeFilter({ column, is, not, from, to, has }: Filter): string {
  if (has !== undefined) return `${column} has "${has}"`;
  if (is === undefined) {
    return [from !== undefined ? `${from} ≤ ` : "", column, to !== undefined ? ` ≤ ${to}` : ""]
      .join("");
  }
  const texts = is.map((one) => {
    if (one === null) return "empty";
    if (typeof one !== "object") return String(one);
    return "digest" in one ? one.digest.slice(0, 8) : one.text;
  });
  return `${column} ${not ? "≠" : "="} ${texts.join(" or ")}`;
}

/**
 * Reads what somebody has typed behind a column's name: `> 5`, `<= 2`, `1..3`, `= x`, `!= x`, or a text
 * that it has.
 */
export function parseFilter(column: string, text: string): Filter | undefined {
  const typed = text.trim();
  if (typed === "") return undefined;
  const [, low, high] = /^(\S+)\s*\.\.\s*(\S+)$/.exec(typed) ?? [];
  if (low !== undefined && isNumber(low) && isNumber(high)) {
    return { column, from: Number(low), to: Number(high) };
  }
  const [, operator = "", operand = ""] = /^(>=?|<=?|!?=)\s*(.*)$/.exec(typed) ?? [];
  if (operator.startsWith(">") && isNumber(operand)) return { column, from: Number(operand) };
  if (operator.startsWith("<") && isNumber(operand)) return { column, to: Number(operand) };
  if (operator === "=" || operator === "!=") {
    const is = [isNumber(operand) ? Number(operand) : operand === "" ? null : operand];
    return operator === "=" ? { column, is } : { column, is, not: true };
  }
  return { column, has: typed };
}

function isNumber(text: string | undefined): text is string {
  return text !== undefined && text !== "" && Number.isFinite(Number(text));
}
