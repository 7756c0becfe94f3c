import { LONGEST_LINE_BYTES } from "../../disk/checked_line.ts";
import { type FilePlace, openIfThere, readAt, readDerived } from "../../disk/file_system.ts";
import type { Digest } from "../../value/value.ts";
import { type CallLine, scanCalls, type SkippedLine } from "../log/call_scan.ts";
import { isTableOf } from "../log/call_table.ts";
import { isUnfinished } from "../log/unfinished_line.ts";
import type { Manifest } from "../manifest.ts";
import { DigestTable, PURPOSE } from "../table/digest_table.ts";
import { findHeads, isSoundLine } from "./salvage.ts";
import { StepReport, type VerifyContext } from "./report.ts";

/** What the log looks like. */
export interface CheckedLog {
  /** What was found. */
  readonly report: StepReport;
  /** The keys of calls whose newest records are damaged, as far as the log or its table tells. */
  readonly lost: ReadonlySet<Digest>;
}

/** A log as it is checked. */
interface Reading {
  readonly report: StepReport;
  readonly file: Deno.FsFile;
  readonly size: number;
  /** The newest line of each key in the part of the log that its table is of. */
  readonly sealed: Map<Digest, CallLine>;
  /** All keys that the log has a sound line for, and whether the newest of them is a record. */
  readonly keys: Map<Digest, boolean>;
  /** The keys of damaged records that no sound line came after. */
  readonly damaged: Set<Digest>;
  /** Where lines are that seem to be unfinished. */
  readonly doubtful: FilePlace[];
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
): Promise<CheckedLog> {
  const { layout, pause } = context;
  const report = new StepReport("log");
  using file = openIfThere(layout.callLog);
  if (file === undefined) return { report, lost: new Set() };
  const reading: Reading = {
    report,
    file,
    size: file.seekSync(0, Deno.SeekMode.End),
    sealed: new Map(),
    keys: new Map(),
    damaged: new Set(),
    doubtful: [],
  };
  const content = readDerived(layout.callIndex);
  const table = content && DigestTable.decode(content, PURPOSE.calls);
  const fits = table !== undefined && isTableOf(table, file, manifest.logGeneration);
  readLines(reading, fits ? table.subject.length : 0);
  await pause(report);
  if (table !== undefined) findSealed(reading, table);
  if (content !== undefined) {
    tables.checked++;
    if (table === undefined) tables.find({ file: "calls.index", problem: "it is damaged" });
    else if (fits) checkTable(reading, tables, table);
    else checkCut(reading, tables, table);
  }
  const lost = Iterator.from(reading.damaged).filter((key) => reading.keys.get(key) !== true);
  return { report, lost: new Set(lost) };
}

function readLines(reading: Reading, sealedEnd: number): void {
  const { report, file, size, sealed, keys, damaged } = reading;
  report.bytes += size;
  const { end } = scanCalls(file, 0, size, (line, bytes) => {
    report.checked++;
    keys.set(line.key, !line.evicted);
    damaged.delete(line.key);
    if (line.offset < sealedEnd) sealed.set(line.key, line);
    if (isSoundLine(bytes)) return;
    const problem = `the record of ${line.key} is no record`;
    report.find({ file: "calls.jsonl", offset: line.offset, problem });
  }, (line) => checkSkipped(reading, line));
  if (end >= size) return;
  const bytes = new Uint8Array(Math.min(size - end, LONGEST_LINE_BYTES));
  if (!readAt(file, end, bytes)) return;
  checkSkipped(reading, { offset: end, length: size - end, bytes });
}

function checkSkipped({ report, file, damaged, doubtful }: Reading, line: SkippedLine): void {
  const { offset, length, bytes } = line;
  if (isUnfinished(file, line)) {
    report.unfinished++;
    doubtful.push({ offset, length });
    return;
  }
  const heads = [...findHeads(bytes)];
  for (const { key, evicted } of heads) if (!evicted) damaged.add(key);
  const [head] = heads;
  const what = head === undefined ? `a line of ${length} bytes` : `the record of ${head.key}`;
  report.find({ file: "calls.jsonl", offset, problem: `${what} is damaged` });
}

/** A sound table says what the log says: for each key the place of its newest record. */
function checkTable({ report, sealed }: Reading, tables: StepReport, table: DigestTable): void {
  let expected = 0;
  let wrong = 0;
  for (const { key, evicted, offset, length } of sealed.values()) {
    const row = table.find(key);
    if (!evicted) expected++;
    const location = row === -1 ? undefined : table.row(row);
    const right = evicted
      ? location === undefined
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
 * What a table has a row of was whole once, whatever it looks like now. It need not fit any more: it is
 * known by the bytes of the log, which are damaged.
 */
function findSealed({ report, keys, damaged, doubtful }: Reading, table: DigestTable): void {
  if (report.problems === 0 && doubtful.length === 0) return;
  const lost = table.rows().filter(({ digest }) => !keys.has(digest)).toArray();
  const found = new Set<FilePlace>();
  for (const { digest, offset } of lost) {
    const place = doubtful.find((one) => one.offset <= offset && offset < one.offset + one.length);
    if (place === undefined) continue;
    if (!found.has(place)) report.unfinished--;
    found.add(place);
    const problem = `the record of ${digest} is damaged`;
    report.find({ file: "calls.jsonl", offset, problem });
  }
  if (report.problems > 0) { for (const { digest } of lost) damaged.add(digest); }
}

/**
 * A table of another log is what a program leaves that is killed while it replaces the log. Of a log
 * that was cut, it knows keys that are nowhere any more.
 */
function checkCut(
  { report, size, keys, damaged }: Reading,
  tables: StepReport,
  table: DigestTable,
): void {
  let lost = 0;
  for (const { digest, offset, length } of table.rows()) {
    if (offset + length <= size || keys.has(digest)) continue;
    lost++;
    damaged.add(digest);
    const problem = `the record of ${digest} is cut off`;
    report.find({ file: "calls.jsonl", offset: size, problem });
  }
  if (lost === 0) tables.unfinished++;
}
