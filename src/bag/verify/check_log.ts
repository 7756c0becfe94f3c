import { decodeCheckedLine, LONGEST_LINE_BYTES } from "../../disk/checked_line.ts";
import { openIfThere, readAt, readPiece } from "../../disk/file_system.ts";
import type { Digest } from "../../value/value.ts";
import {
  type CallHeader,
  decodeHeader,
  decodeRecord,
  isUnfinishedLine,
  readKey,
} from "../log/call_line.ts";
import { type CallLine, scanCalls, type SkippedLine } from "../log/call_scan.ts";
import { isTableOf, toLine } from "../log/call_table.ts";
import type { Manifest } from "../manifest.ts";
import { DigestTable, PURPOSE } from "../table/digest_table.ts";
import { StepReport, type VerifyContext } from "./report.ts";

/** A log as it is checked. */
interface Reading {
  readonly report: StepReport;
  readonly file: Deno.FsFile;
  readonly size: number;
  /** The newest line of each key in the part of the log that its table is of. */
  readonly sealed: Map<Digest, CallLine>;
  /** All keys that the log has a sound line for. */
  readonly keys: Set<Digest>;
}

/**
 * Checks every line of the call log, and its table.
 *
 * @param context What all steps have in common.
 * @param tables What was found in tables so far.
 * @param manifest Which log is live.
 * @returns What was found.
 */
export async function checkLog(
  context: VerifyContext,
  tables: StepReport,
  manifest: Manifest,
): Promise<StepReport> {
  const { layout, pause } = context;
  const report = new StepReport("log");
  using file = openIfThere(layout.callLog);
  if (file === undefined) return report;
  const size = file.seekSync(0, Deno.SeekMode.End);
  const reading = { report, file, size, sealed: new Map(), keys: new Set<Digest>() };
  using index = openIfThere(layout.callIndex);
  const table = index && DigestTable.read(index, PURPOSE.calls, () => index);
  const fits = table !== undefined && isTableOf(table, file, manifest.logGeneration);
  readLines(reading, fits ? table.subject.length : 0);
  await pause(report);
  if (index === undefined) return report;
  tables.checked++;
  if (table === undefined) tables.find({ file: "calls.index", problem: "it is damaged" });
  else if (fits) checkTable(reading, tables, table);
  else checkCut(reading, tables, table);
  return report;
}

function readLines({ report, file, size, sealed, keys }: Reading, sealedEnd: number): void {
  report.bytes += size;
  const { end } = readCallLines(file, size, (line, isSound) => {
    if (line.type !== "header") report.checked++;
    keys.add(line.key);
    if (line.offset < sealedEnd) sealed.set(line.key, line);
    if (isSound) return;
    const problem = line.type === "header"
      ? `a header of ${line.length} bytes is none`
      : `the record of ${line.key} is no record, or its header is lost`;
    report.find({ file: "calls.jsonl", offset: line.offset, problem });
  }, (line) => checkSkipped(report, line));
  if (end >= size) return;
  const bytes = new Uint8Array(Math.min(size - end, LONGEST_LINE_BYTES));
  if (readAt(file, end, bytes)) checkSkipped(report, { offset: end, length: size - end, bytes });
}

/**
 * Goes over the complete lines of a log, and looks whether they say what they seem to.
 *
 * @param visit Told of each line with its checksum, and whether all of it can be read; of records in
 * front of their header last.
 * @param skip Told of each other line.
 * @returns A sound line of each header, by its name, and where the last complete line ends.
 */
export function readCallLines(
  file: Deno.FsFile,
  size: number,
  visit: (line: CallLine, isSound: boolean) => void,
  skip: (line: SkippedLine) => void,
): { readonly headers: ReadonlyMap<string, CallLine>; readonly end: number } {
  const headers = new Map<string, CallLine>();
  const contents = new Map<string, CallHeader>();
  const early: CallLine[] = [];
  const { end } = scanCalls(file, 0, size, (line, bytes) => {
    const found = line.type === "header" ? decodeHeader(bytes) : undefined;
    if (found !== undefined) {
      headers.set(found.name, line);
      contents.set(found.name, found.header);
    }
    if (line.header !== undefined && !contents.has(line.header)) early.push(line);
    else visit(line, isSound(line, bytes, contents));
  }, skip);
  // A header may stand behind its records.
  for (const line of early) {
    const bytes = readPiece(file, line.offset, line.length);
    visit(line, bytes !== undefined && isSound(line, bytes, contents));
  }
  return { headers, end };
}

function isSound(
  { key, type }: CallLine,
  bytes: Uint8Array,
  headers: ReadonlyMap<string, CallHeader>,
): boolean {
  if (type === "header") return decodeHeader(bytes) !== undefined;
  if (type === "eviction") return decodeCheckedLine(bytes)?.evict === key;
  return decodeRecord(bytes, (name) => headers.get(name))?.key === key;
}

function checkSkipped(report: StepReport, { offset, length, bytes }: SkippedLine): void {
  if (length === bytes.length && isUnfinishedLine(bytes)) {
    report.unfinished++;
    return;
  }
  const key = readKey(bytes);
  const what = key === undefined ? `a line of ${length} bytes` : `the record of ${key}`;
  report.find({ file: "calls.jsonl", offset, problem: `${what} is damaged` });
}

/** A sound table says what the log says: for each key the place of its newest record. */
function checkTable({ report, sealed }: Reading, tables: StepReport, table: DigestTable): void {
  let expected = 0;
  let wrong = 0;
  for (const { key, type, offset, length } of sealed.values()) {
    const row = table.find(key);
    const isEvicted = type === "eviction";
    const location = row === -1 ? undefined : table.row(row);
    // On a full disk a call is forgotten where its record stands, which the table goes on to name.
    const struck = isEvicted && location?.offset === offset;
    if (!isEvicted || struck) expected++;
    const right = isEvicted
      ? location === undefined || struck
      : location?.offset === offset && location.length === length;
    if (!right) wrong++;
  }
  // Where lines of the log are damaged, the table knows more than the log.
  const extra = report.problems > 0 ? 0 : Math.max(0, table.size - expected);
  if (wrong + extra === 0 || report.problems > 0) return;
  const problem = `${wrong + extra} of its rows do not agree with the log`;
  tables.find({ file: "calls.index", problem });
}

/**
 * A table of another log is what a program leaves that is killed while it replaces the log. Of a log
 * that was cut, it knows keys that are nowhere any more.
 */
function checkCut({ report, size, keys }: Reading, tables: StepReport, table: DigestTable): void {
  let lost = 0;
  for (const { key, type, offset, length } of table.rows().map(toLine)) {
    if (type !== "record" || offset + length <= size || keys.has(key)) continue;
    lost++;
    const problem = `the record of ${key} is cut off`;
    report.find({ file: "calls.jsonl", offset: size, problem });
  }
  if (lost === 0) tables.unfinished++;
}
