import type { CallRecord, CallSelection } from "../caches.ts";
import {
  CallCells,
  type CallColumn,
  FIELD_NAMES,
  ResultColumns,
  spreadArguments,
  tagsOf,
  toArgumentColumn,
  toColumn,
  toTagColumn,
  type ValueReader,
} from "./call_columns.ts";
import { toExactJson } from "./exact_json.ts";
import { toSafeJson, toSafeText } from "./safe_text.ts";
import type { Terminal } from "./terminal.ts";

/** Which columns a listing has. */
export interface ColumnChoice {
  /** These, whatever else is said. */
  readonly names?: readonly string[];
  /** Whether the task is one. */
  readonly task: boolean;
  /** Whether the arguments are. */
  readonly args: boolean;
  /** Whether the result is one, or each of its fields. */
  readonly results: boolean;
  /** Whether what has failed is told of. */
  readonly failed: boolean;
}

/**
 * Chooses the columns of a listing.
 *
 * @param calls The calls whose arguments, results and tags have columns.
 * @param reader Reads the arguments and results.
 * @param choice What is wanted.
 */
export async function chooseColumns(
  calls: Iterable<CallRecord> | AsyncIterable<CallRecord>,
  reader: ValueReader,
  choice: ColumnChoice,
): Promise<CallColumn[]> {
  if (choice.names !== undefined) return choice.names.map(toColumn);
  const args = new Set<string>();
  const tags = new Set<string>();
  const results = new ResultColumns();
  for await (const record of calls) {
    for (const tag of Object.keys(tagsOf(record.metadata))) tags.add(tag);
    if (choice.results) results.add(await reader.result(record));
    if (!choice.args) continue;
    for (const name of spreadArguments(await reader.arguments(record)).columns) args.add(name);
  }
  return [
    toColumn("key"),
    ...choice.task ? [toColumn("task")] : [],
    ...Array.from(args, (arg) => ({
      ...toArgumentColumn(arg),
      ...(FIELD_NAMES.includes(arg) && { name: `arg.${arg}` }),
    })),
    ...choice.results ? results.columns : [],
    ...choice.failed ? [toColumn("error"), toColumn("attempts")] : [],
    toColumn("duration"),
    toColumn("started"),
    ...Array.from(tags, (tag) => ({
      ...toTagColumn(tag),
      // No two columns have one name.
      ...((args.has(tag) || FIELD_NAMES.includes(tag)) && { name: `tag.${tag}` }),
    })),
  ];
}

/** Which values stand in the JSON of a call, beside its record. */
export interface JsonChoice {
  /** Whether its arguments do, as `arguments`. */
  readonly args: boolean;
  /** Whether its result does, as `value`. */
  readonly results: boolean;
}

/** Writes calls as JSON lines: their records, with their values as `exact_json.ts` has them. */
export async function* toJsonLines(
  calls: AsyncIterable<CallRecord>,
  reader: ValueReader,
  { args, results }: JsonChoice,
): AsyncGenerator<string> {
  for await (const record of calls) {
    let line = JSON.stringify(record);
    if (args) line = `${line.slice(0, -1)},"arguments":${await toArguments(record, reader)}}`;
    if (results) {
      const known = await reader.result(record);
      if (known !== undefined) line = `${line.slice(0, -1)},"value":${toExactJson(known.value)}}`;
    }
    yield `${toSafeJson(line)}\n`;
  }
}

/** Arguments that are not stored, or not whole, are left out. */
async function toArguments(record: CallRecord, reader: ValueReader): Promise<string> {
  const known = [...await reader.arguments(record)];
  const fields = known.flatMap(([name, one]) =>
    one === undefined ? [] : [`${JSON.stringify(name)}:${toExactJson(one.value)}`]
  );
  return `{${fields.join(",")}}`;
}

/**
 * Writes calls as comma-separated values (RFC 4180, with line feeds): names in the first line; dates as ISO
 * 8601; what is missing as nothing, an empty text as `""`; what is no number and no text as JSON.
 *
 * The calls are gone over twice, as any of them may have what no other one has.
 */
export async function* toCsvLines(
  calls: CallSelection,
  reader: ValueReader,
  choice: ColumnChoice,
): AsyncGenerator<string> {
  const columns = await chooseColumns(calls, reader, choice);
  const cells = new CallCells(columns, reader);
  yield toCsvLine(columns.map(({ name }) => name));
  for await (const record of calls) yield toCsvLine(await cells.values(record));
}

function toCsvLine(values: readonly unknown[]): string {
  return `${values.map(toCsvCell).join(",")}\n`;
}

function toCsvCell(value: unknown): string {
  if (value === undefined) return "";
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") {
    return Object.is(value, -0) ? "-0" : String(value);
  }
  const text = typeof value === "string"
    ? value
    : value instanceof Date && !Number.isNaN(value.getTime())
    ? value.toISOString()
    : toExactJson(value);
  return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** So many characters are written at once. */
const PIECE = 64 * 1024;

/**
 * Prints lines, many at once, but the first at once.
 *
 * @param lines The lines, with their ends.
 * @param terminal Where to.
 * @returns How many there were.
 */
export async function printLines(
  lines: AsyncIterable<string>,
  terminal: Terminal,
): Promise<number> {
  const isShown = terminal.width !== undefined;
  const write = (text: string) => terminal.write(isShown ? toSafeText(text) : text);
  let piece = "";
  let count = 0;
  for await (const line of lines) {
    piece += line;
    if (count++ > 0 && piece.length < PIECE) continue;
    write(piece);
    piece = "";
  }
  if (piece !== "") write(piece);
  return count;
}
