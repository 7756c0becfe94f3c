import { isLockedAt, openIfThere, readAt } from "../../disk/file_system.ts";
import { listJournals, toJournalPath } from "../../disk/layout.ts";
import { decodeHeader, HEADER_BYTES, isHeaderBegin, readShape } from "../journal/journal_format.ts";
import { type JournalEntry, scanJournal, toEntryEnd } from "../journal/journal_scan.ts";
import type { Manifest } from "../manifest.ts";
import { FileSource, SourceReader } from "../segment/sealed_payload.ts";
import { toViewed } from "../table/digest_table.ts";
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
    await checkJournal(context, report, path, manifest.sealed[name] ?? 0);
    const found = report.problems - before;
    // Its writer may still append to it.
    if (found === 0 || quarantine === undefined || isLockedAt(path) === true) continue;
    if (quarantine.copy(path)) report.quarantined++;
    report.repaired += found;
    foldable = true;
  }
  return { report, foldable };
}

async function checkJournal(
  { layout, handles, pause }: VerifyContext,
  report: StepReport,
  path: string,
  from: number,
): Promise<void> {
  using file = openIfThere(path);
  if (file === undefined) return;
  const name = toRelative(layout, path);
  const entries: JournalEntry[] = [];
  let position = from;
  const skip = (end: number) => {
    if (end === position) return;
    const problem = `${end - position} bytes are damaged`;
    report.find({ file: name, offset: position, problem });
  };
  scanJournal(file, from, (entry) => {
    skip(entry.offset - HEADER_BYTES);
    position = toEntryEnd(entry);
    entries.push(entry);
  });
  const size = file.seekSync(0, Deno.SeekMode.End);
  if (isUnfinished(file, position, size)) report.unfinished++;
  else skip(Math.max(position, size));
  const reader = new SourceReader(handles);
  for (const entry of entries) {
    report.checked++;
    report.bytes += entry.length;
    const find = (what: string) => {
      const problem = `the ${what} ${entry.digest} is damaged`;
      report.find({ file: name, offset: entry.offset, problem });
    };
    if (!new FileSource(reader, path, entry).isWhole()) find("value");
    const { shape } = readShape(reader.from(path, entry.offset), entry);
    if (entry.rank !== undefined && shape === undefined) find("shape of the value");
    await pause(report);
  }
  handles.close(path);
}

/** Whether a journal ends with the begin of an entry, as the death of its writer leaves it. */
function isUnfinished(file: Deno.FsFile, end: number, size: number): boolean {
  if (size <= end) return false;
  const buffer = toViewed(new Uint8Array(Math.min(HEADER_BYTES, size - end)));
  if (!readAt(file, end, buffer.bytes)) return false;
  if (buffer.bytes.length < HEADER_BYTES) return isHeaderBegin(buffer);
  return decodeHeader(buffer, 0) !== undefined;
}
