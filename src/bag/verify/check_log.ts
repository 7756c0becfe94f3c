import { type FilePlace, openIfThere } from "../../disk/file_system.ts";
import type { Digest } from "../../value/value.ts";
import type { CallLine, SkippedLine } from "../log/call_scan.ts";
import { isTableOf, toLine } from "../log/call_table.ts";
import { isUnfinished } from "../log/unfinished_line.ts";
import type { Manifest } from "../manifest.ts";
import { DigestTable, PURPOSE } from "../table/digest_table.ts";
import { readLog } from "./read_log.ts";
import { StepReport, type VerifyContext } from "./report.ts";
import { findHeads } from "./salvage.ts";

/** What the log looks like. */
export interface CheckedLog {
  /** What was found. */
  readonly report: StepReport;
  /** The keys of calls whose newest records are damaged, as far as the log or its table tells. */
  readonly lost: ReadonlySet<Digest>;
}

/** The newest line of a key. */
interface NewestLine extends CallLine {
  /** Whether there is a record. */
  readonly live: boolean;
}

/** A log as it is checked. */
interface Reading {
  readonly report: StepReport;
  readonly file: Deno.FsFile;
  readonly size: number;
  /** The newest line of each key in the part of the log that its table is of. */
  readonly sealed: Map<Digest, CallLine>;
  /** The newest line of each key, and of each header, that has its checksum. */
  readonly newest: Map<Digest, NewestLine>;
  /** The keys of damaged records, and where the newest of them begins. */
  readonly damaged: Map<Digest, number>;
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
    newest: new Map(),
    damaged: new Map(),
    doubtful: [],
  };
  using index = openIfThere(layout.callIndex);
  const table = index && DigestTable.read(index, PURPOSE.calls, () => index);
  const fits = table !== undefined && isTableOf(table, file, manifest.logGeneration);
  readLines(reading, fits ? table.subject.length : 0);
  await pause(report);
  if (table !== undefined) findSealed(reading, table);
  if (index !== undefined) {
    tables.checked++;
    if (table === undefined) tables.find({ file: "calls.index", problem: "it is damaged" });
    else if (fits) checkTable(reading, tables, table);
    else checkCut(reading, tables, table);
  }
  return { report, lost: new Set(listLost(reading)) };
}

function readLines(reading: Reading, sealedEnd: number): void {
  const { report, file, size, sealed, newest, damaged } = reading;
  report.bytes += size;
  readLog(file, size, {
    visit(line, content) {
      const { key, type, offset, length } = line;
      if (type !== "header") report.checked++;
      const live = type === "record" && content !== undefined;
      if (offset > (newest.get(key)?.offset ?? -1)) newest.set(key, { ...line, live });
      if (offset < sealedEnd && offset > (sealed.get(key)?.offset ?? -1)) sealed.set(key, line);
      if (content !== undefined) return;
      if (type === "record") noteDamaged(damaged, key, offset);
      const problem = type === "header"
        ? `a header of ${length} bytes is none`
        : `the record of ${key} is no record, or its header is lost`;
      report.find({ file: "calls.jsonl", offset, problem });
    },
    skip(line) {
      checkSkipped(reading, line);
      return [];
    },
  });
}

/** Records in front of their header are told of last. */
function noteDamaged(damaged: Reading["damaged"], key: Digest, offset: number): void {
  damaged.set(key, Math.max(offset, damaged.get(key) ?? 0));
}

function* listLost({ newest, damaged }: Reading): Generator<Digest> {
  for (const [key, offset] of damaged) {
    const line = newest.get(key);
    if (line === undefined || (!line.live && line.offset <= offset)) yield key;
  }
}

function checkSkipped({ report, file, damaged, doubtful }: Reading, line: SkippedLine): void {
  const { offset, length, bytes } = line;
  if (isUnfinished(file, line)) {
    report.unfinished++;
    doubtful.push({ offset, length });
    return;
  }
  const heads = [...findHeads(bytes)];
  for (const { key, type } of heads) if (type === "record") noteDamaged(damaged, key, offset);
  const [head] = heads;
  const what = head === undefined ? `a line of ${length} bytes` : describe(head);
  report.find({ file: "calls.jsonl", offset, problem: `${what} is damaged` });
}

function describe({ key, type }: Pick<CallLine, "key" | "type">): string {
  return type === "header" ? "a header" : `the record of ${key}`;
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
 * What a table has a row of was whole once, whatever it looks like now. It need not fit any more: it is
 * known by the bytes of the log, which are damaged.
 */
function findSealed(
  { report, newest, damaged, doubtful }: Reading,
  table: DigestTable,
): void {
  if (report.problems === 0 && doubtful.length === 0) return;
  const lost = table.rows().map(toLine).filter(({ key }) => !newest.has(key)).toArray();
  const found = new Set<FilePlace>();
  for (const line of lost) {
    const { offset } = line;
    const place = doubtful.find((one) => one.offset <= offset && offset < one.offset + one.length);
    if (place === undefined) continue;
    if (!found.has(place)) report.unfinished--;
    found.add(place);
    report.find({ file: "calls.jsonl", offset, problem: `${describe(line)} is damaged` });
  }
  if (report.problems === 0) return;
  for (const { key, type, offset } of lost) if (type === "record") damaged.set(key, offset);
}

/**
 * A table of another log is what a program leaves that is killed while it replaces the log. Of a log
 * that was cut, it knows keys that are nowhere any more.
 */
function checkCut(
  { report, size, newest, damaged }: Reading,
  tables: StepReport,
  table: DigestTable,
): void {
  let lost = 0;
  for (const line of table.rows().map(toLine)) {
    const { key, type, offset, length } = line;
    if (type !== "record" || offset + length <= size || newest.has(key)) continue;
    lost++;
    damaged.set(key, offset);
    report.find({ file: "calls.jsonl", offset: size, problem: `${describe(line)} is cut off` });
  }
  if (lost === 0) tables.unfinished++;
}
