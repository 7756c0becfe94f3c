import { type FilePlace, isLockedAt, openIfThere } from "../../disk/file_system.ts";
import { listJournals, toJournalPath } from "../../disk/layout.ts";
import { HEADER_BYTES, readShape } from "../journal/journal_format.ts";
import { type JournalEntry, scanJournal, toEntryEnd } from "../journal/journal_scan.ts";
import { endsInZeros, isUnfinishedGap } from "../journal/unfinished_entry.ts";
import type { Manifest } from "../manifest.ts";
import { FileSource, SourceReader } from "../segment/sealed_payload.ts";
import { StepReport, toRelative, type VerifyContext } from "./report.ts";

/** What the journals look like. */
interface CheckedJournals {
  /** What was found. */
  readonly report: StepReport;
  /** Whether there are journals that are damaged and that a fold will remove. */
  readonly foldable: boolean;
}

/**
 * Checks every value that is not sealed yet.
 *
 * A repair copies a damaged journal to quarantine; the next fold seals what is whole in it and
 * removes it. A journal whose writer lives stays as it is until its writer ends.
 *
 * What looks as if it had never been acknowledged is no problem here. If it was, a record names a
 * value that cannot be had, which the check of records finds.
 *
 * @param context What all steps have in common.
 * @param manifest What is live: up to where journals are sealed.
 * @returns What was found.
 */
export async function checkJournals(
  context: VerifyContext,
  manifest: Manifest,
): Promise<CheckedJournals> {
  const { layout, quarantine } = context;
  const report = new StepReport("journals");
  let foldable = false;
  for (const name of listJournals(layout)) {
    const path = toJournalPath(layout, name);
    const before = report.problems;
    const holed = await checkJournal(context, report, path, manifest.sealed[name] ?? 0);
    const found = report.problems - before;
    if (quarantine === undefined || (found === 0 && !holed)) continue;
    // Its writer may still append to it.
    if (isLockedAt(path) === true) continue;
    if (quarantine.copy(path)) report.quarantined++;
    report.repaired += found;
    foldable = true;
  }
  return { report, foldable };
}

/** What is in a journal. */
interface JournalContent {
  readonly entries: readonly JournalEntry[];
  /** What is no entry, between entries and behind them. */
  readonly gaps: readonly FilePlace[];
  /** The length of the journal in bytes. */
  readonly size: number;
}

function readContent(file: Deno.FsFile, from: number): JournalContent {
  const entries: JournalEntry[] = [];
  const gaps: FilePlace[] = [];
  let position = from;
  const skip = (end: number) => {
    if (end > position) gaps.push({ offset: position, length: end - position });
  };
  scanJournal(file, from, (entry) => {
    skip(entry.offset - HEADER_BYTES);
    position = toEntryEnd(entry);
    entries.push(entry);
  });
  const size = file.seekSync(0, Deno.SeekMode.End);
  skip(size);
  return { entries, gaps, size };
}

/** Tells whether entries follow on some that were not finished. */
async function checkJournal(
  context: VerifyContext,
  report: StepReport,
  path: string,
  from: number,
): Promise<boolean> {
  using file = openIfThere(path);
  if (file === undefined) return false;
  const name = toRelative(context.layout, path);
  const { entries, gaps, size } = readContent(file, from);
  let holed = false;
  for (const gap of gaps) {
    const { offset, length } = gap;
    const isLast = offset + length === size;
    if (isUnfinishedGap(file, gap, isLast)) {
      report.unfinished++;
      holed ||= !isLast;
    } else report.find({ file: name, offset, problem: `${length} bytes are damaged` });
  }
  const reader = new SourceReader(context.handles);
  for (const entry of entries) {
    report.checked++;
    report.bytes += entry.length;
    const damage = findDamage(reader, path, entry);
    if (damage !== undefined && endsInZeros(file, toEntryEnd(entry), damage.zeros)) {
      report.unfinished++;
      holed = true;
    } else if (damage !== undefined) {
      const problem = `the ${damage.what} ${entry.digest} is damaged`;
      report.find({ file: name, offset: entry.offset, problem });
    }
    await context.pause(report);
  }
  context.handles.close(path);
  return holed;
}

/** What of an entry is damaged, and with how many zeros it ends at the least if it was not finished. */
interface Damage {
  readonly what: string;
  readonly zeros: number;
}

function findDamage(reader: SourceReader, path: string, entry: JournalEntry): Damage | undefined {
  if (!new FileSource(reader, path, entry).isWhole()) return { what: "value", zeros: 1 };
  const { shape } = readShape(reader.from(path, entry.offset), entry);
  if (entry.rank === undefined || shape !== undefined) return undefined;
  // All of its checksum.
  return { what: "shape of the value", zeros: 4 };
}
