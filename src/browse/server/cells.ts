/** What a table shows of a value that is no primitive: what it is, as in `Float64Array 1000`. */
export interface Summary {
  /** The text. */
  readonly text: string;
}

/** What stands in a cell of a table: `undefined` where it is empty, or not read yet. */
export type Cell = number | string | boolean | Summary | undefined;

/** Longer texts are cut, in characters. */
const LONGEST_TEXT = 400;

/**
 * Makes a cell of a primitive, or of data as JSON has it.
 *
 * @param value The value; numbers that JSON lacks and all that is no primitive become texts.
 */
export function toCell(value: unknown): Cell {
  if (value === undefined || typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : { text: String(value) };
  if (typeof value === "string") return cut(value);
  if (value instanceof Date) return { text: toTimeText(value) };
  if (typeof value === "bigint") return { text: cut(`${value}n`) };
  return { text: cut(JSON.stringify(value) ?? typeof value) };
}

/** Shortens a text that is too long to be shown. */
export function cut(text: string): string {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
}

function toTimeText(date: Date): string {
  return Number.isNaN(date.getTime()) ? "Invalid Date" : date.toISOString();
}

/** The text by which a cell is filtered, and found; numbers and texts that look alike are told apart. */
export function toIdentity(cell: Cell): string {
  if (typeof cell === "object") return `=${cell.text}`;
  return typeof cell === "string" ? `"${cell}` : String(cell);
}

/** The text that a search looks through. */
export function toSearchText(cell: Cell): string {
  if (cell === undefined) return "";
  return (typeof cell === "object" ? cell.text : String(cell)).toLowerCase();
}

/** Orders cells: numbers, then texts, then all else; what is empty comes last. */
export function compareCells(a: Cell, b: Cell): number {
  const byRank = rankOf(a) - rankOf(b);
  if (byRank !== 0) return byRank;
  if (typeof a === "number" && typeof b === "number") return a - b;
  const [left, right] = [toSearchText(a), toSearchText(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

function rankOf(cell: Cell): number {
  if (cell === undefined) return 3;
  return typeof cell === "number" ? 0 : typeof cell === "string" ? 1 : 2;
}
