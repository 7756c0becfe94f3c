import { toSafeLine } from "./safe_text.ts";
import type { Terminal } from "./terminal.ts";

/** A column of what is listed. */
export interface Column {
  /** Its name. */
  readonly name: string;
  /** Whether it is aligned to the right, as numbers are. */
  readonly right?: boolean;
  /** Whether it is never cut, as people copy what stands in it. */
  readonly whole?: boolean;
}

const GAP = "  ";
const ELLIPSIS = "…";

/** A column is not cut to less, but left out. */
const LEAST_WIDTH = 6;

/** So many characters are written at once. */
const PIECE = 64 * 1024;

/**
 * Prints rows as a table: the columns are as wide as the first rows need, cut to what the terminal shows,
 * and what comes later is printed as it comes. Where there is no terminal nothing is cut.
 */
export class RowPrinter implements Disposable {
  readonly #terminal: Terminal;
  readonly #columns: readonly Column[];
  #widths: readonly number[] | undefined;
  #piece = "";

  /**
   * Prints nothing yet.
   *
   * @param terminal Where to.
   * @param columns The columns; those that find no place are left out, the last first.
   */
  constructor(terminal: Terminal, columns: readonly Column[]) {
    this.#terminal = terminal;
    this.#columns = columns;
  }

  /**
   * Prints the head and the first rows, by which the widths of the columns are chosen.
   *
   * @param rows Their cells, which are safe to show.
   */
  begin(rows: readonly (readonly string[])[]): void {
    const names = this.#columns.map(({ name }) => toSafeLine(name));
    const natural = names.map((name, i) =>
      Math.max(1, widthOf(name), ...rows.map((row) => widthOf(row[i] ?? "")))
    );
    const { width, color } = this.#terminal;
    const widths = this.#widths = width === undefined
      ? natural
      : fit(natural, width, this.#columns);
    const head = this.#toLine(names);
    this.#write(color ? `\x1b[1m${head}\x1b[22m\n` : `${head}\n`);
    for (const row of rows) this.add(row);
    this.#leftOut = names.slice(widths.length);
    this.flush();
  }

  #leftOut: readonly string[] = [];

  /** Prints a row. */
  add(row: readonly string[]): void {
    this.#write(`${this.#toLine(row)}\n`);
  }

  #toLine(cells: readonly string[]): string {
    const isCut = this.#terminal.width !== undefined;
    const last = (this.#widths?.length ?? 0) - 1;
    let line = "";
    for (const [i, width] of this.#widths?.entries() ?? []) {
      const cell = cells[i] ?? "";
      const shown = isCut ? cut(cell, width) : cell;
      const space = " ".repeat(Math.max(0, width - widthOf(shown)));
      const isRight = this.#columns[i]?.right === true;
      line += isRight ? space + shown : i === last ? shown : shown + space;
      if (i < last) line += GAP;
    }
    return line.trimEnd();
  }

  #write(text: string): void {
    this.#piece += text;
    if (this.#piece.length >= PIECE) this.flush();
  }

  /** Writes what waits to be written. */
  flush(): void {
    const piece = this.#piece;
    this.#piece = "";
    if (piece !== "") this.#terminal.write(piece);
  }

  /** Which columns have found no place. */
  get leftOut(): readonly string[] {
    return this.#leftOut;
  }

  /** Writes what waits. */
  [Symbol.dispose](): void {
    this.flush();
  }
}

/** Prints rows that are all there. */
export function printRows(
  terminal: Terminal,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): void {
  new RowPrinter(terminal, columns).begin(rows);
}

/** Cuts the widest columns until all fit; those that do not fit even so are left out, the last first. */
function fit(
  natural: readonly number[],
  width: number,
  columns: readonly Column[],
): number[] {
  const isWhole = (i: number) => columns[i]?.whole === true;
  const least = natural.map((own, i) => isWhole(i) ? own : Math.min(own, LEAST_WIDTH));
  let count = 0;
  for (let used = 0; count < natural.length; count++) {
    used += (least[count] ?? 0) + (count === 0 ? 0 : GAP.length);
    if (used > width && count > 0) break;
  }
  const widths = natural.slice(0, count).map((own) => Math.min(own, Math.max(1, width)));
  const sum = widths.reduce((sum, own) => sum + own + GAP.length, -GAP.length);
  for (let excess = sum - width; excess > 0; excess--) {
    const cuttable = widths.map((own, i) => isWhole(i) && count > 1 ? 0 : own);
    const index = cuttable.lastIndexOf(Math.max(...cuttable));
    widths[index] = Math.max(1, (widths[index] ?? 1) - 1);
  }
  return widths;
}

/** Cuts a text to so many columns of a terminal. */
export function cut(text: string, width: number): string {
  if (text.length <= width && ASCII.test(text)) return text;
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
export function widthOf(text: string): number {
  if (ASCII.test(text)) return text.length;
  let width = 0;
  for (const { segment } of SEGMENTER.segment(text)) width += WIDE.test(segment) ? 2 : 1;
  return width;
}
