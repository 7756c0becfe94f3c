import type { PrintOptions, TableContent } from "./table_content.ts";

/** How wide it is where nobody says. */
const WIDTH = 120;

/** How many rows are shown where nobody says. */
const ROWS = 40;

/** A column is not cut to less, but left out. */
const LEAST_WIDTH = 6;

/** What stands between two columns. */
const GAP = "  ";

const ELLIPSIS = "…";

/** A cell is not looked at behind so many characters. */
const LONGEST = 200;

/**
 * Lays a table out.
 *
 * @param options How wide and how long.
 * @returns The lines.
 */
export function printTable(
  { columns, rows }: TableContent,
  { width = terminalWidth(), rows: most = ROWS }: PrintOptions,
): string {
  const shown = rows.slice(0, most);
  // Of a million columns no more are looked at than could stand side by side.
  const fitting = columns.slice(0, Math.max(1, Math.ceil(width / (1 + GAP.length))));
  const cells = fitting.map((name) => shown.map((row) => toCell(row[name])));
  const natural = fitting.map((name, i) =>
    [toLine(name), ...cells[i] ?? []].reduce((most, cell) => Math.max(most, widthOf(cell)), 1)
  );
  const widths = fit(natural, width);
  const isNumeric = fitting.map((name) =>
    shown.every((row) => row[name] === undefined || isNumber(row[name]))
  );
  const toRow = (texts: readonly string[]) =>
    widths.map((most, i) => pad(texts[i] ?? "", most, isNumeric[i] === true)).join(GAP).trimEnd();
  const lines = [
    toRow(fitting.map(toLine)),
    widths.map((most) => "─".repeat(most)).join(GAP),
    ...shown.map((_, row) => toRow(cells.map((column) => column[row] ?? ""))),
  ];
  const left = [
    ...(rows.length > shown.length ? [count(rows.length - shown.length, "row")] : []),
    ...(columns.length > widths.length
      ? [
        `${count(columns.length - widths.length, "column")} (${
          columns.slice(widths.length, widths.length + width).map(toLine).join(", ")
        })`,
      ]
      : []),
  ];
  if (left.length > 0) lines.push(cut(`${ELLIPSIS} ${left.join(" and ")}`, width));
  if (rows.length === 0) lines.push("(no calls)");
  return lines.join("\n");
}

function count(number: number, noun: string): string {
  return `${number} more ${noun}${number === 1 ? "" : "s"}`;
}

function terminalWidth(): number {
  return Deno.stdout.isTerminal() ? Deno.consoleSize().columns : WIDTH;
}

/** Cuts the widest columns until all fit; those that do not fit even so are left out, the last first. */
function fit(natural: readonly number[], width: number): number[] {
  const toSum = (widths: readonly number[]) =>
    widths.reduce((sum, own) => sum + own + GAP.length, -GAP.length);
  const least = natural.map((own) => Math.min(own, LEAST_WIDTH));
  let count = natural.length;
  while (count > 1 && toSum(least.slice(0, count)) > width) count--;
  const widths = natural.slice(0, count).map((own) => Math.min(own, Math.max(1, width)));
  for (let excess = toSum(widths) - width; excess > 0; excess--) {
    const index = widths.lastIndexOf(Math.max(...widths));
    widths[index] = Math.max(1, (widths[index] ?? 1) - 1);
  }
  return widths;
}

function pad(text: string, width: number, right: boolean): string {
  const own = cut(text, width);
  const space = " ".repeat(Math.max(0, width - widthOf(own)));
  return right ? space + own : own + space;
}

function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let taken = "";
  let used = 0;
  for (const { segment } of SEGMENTER.segment(text)) {
    const own = widthOf(segment);
    if (used + own > width - 1) break;
    taken += segment;
    used += own;
  }
  return taken + ELLIPSIS;
}

const SEGMENTER = new Intl.Segmenter();

/** What takes two columns of a terminal: East Asian wide characters and pictures (UAX #11, roughly). */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

const ASCII = /^[\x20-\x7e]*$/;

/** How many columns of a terminal a text takes. */
function widthOf(text: string): number {
  if (ASCII.test(text)) return text.length;
  let width = 0;
  for (const { segment } of SEGMENTER.segment(text)) width += WIDE.test(segment) ? 2 : 1;
  return width;
}

function isNumber(value: unknown): boolean {
  return typeof value === "number" || typeof value === "bigint";
}

function toCell(value: unknown): string {
  if (value === undefined) return "";
  if (typeof value === "number") {
    return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
  }
  if (typeof value === "string") return toLine(value.slice(0, LONGEST));
  if (value instanceof Date) return toTime(value);
  if (ArrayBuffer.isView(value) && "length" in value) {
    return `${value.constructor.name}(${value.length})`;
  }
  const text = Deno.inspect(value, {
    breakLength: Infinity,
    compact: true,
    depth: 2,
    iterableLimit: 6,
    strAbbreviateSize: LONGEST,
  });
  return toLine(text.slice(0, LONGEST));
}

/** In local time, as people look at it. */
function toTime(time: Date): string {
  if (Number.isNaN(time.getTime())) return "Invalid Date";
  const two = (number: number) => String(number).padStart(2, "0");
  const date = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join("-");
  return `${date} ${[time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":")}`;
}

/** What would break a line, or move the cursor, is a space. */
function toLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, " ");
}
