import { isCheckedLine } from "../../disk/checked_line.ts";
import { openIfThere, readAround } from "../../disk/file_system.ts";
import { LineLog } from "../../disk/line_log.ts";
import { StepReport, type VerifyContext } from "./report.ts";

const LINE_FEED = 0x0a;
const BRACE = 0x7d;

/** No more than this of a file is looked at, in bytes: what is larger is none of ours. */
const MOST_BYTES = 2 ** 30;

/**
 * Checks `files.jsonl` and `uses.jsonl`, on which nothing depends: what is damaged is hashed again, or as
 * if nobody had used the calls. A line that has no end is what a killed program has left.
 *
 * @param context What all steps have in common.
 * @returns What was found; a repair leaves the sound lines.
 */
export async function checkLineFiles(context: VerifyContext): Promise<StepReport> {
  const { fileDigests, uses } = context.layout;
  const report = new StepReport("files");
  const damaged: string[] = [];
  for (const [file, path] of [["files.jsonl", fileDigests], ["uses.jsonl", uses]] as const) {
    const before = report.problems;
    await checkLines(context, report, file, path);
    if (report.problems > before) damaged.push(path);
  }
  const { layout: { root }, fileSystem, quarantine } = context;
  if (damaged.length === 0 || quarantine === undefined) return report;
  for (const path of damaged) {
    if (quarantine.copy(path)) report.quarantined++;
    const log = new LineLog({ root, path, writable: true, fileSystem });
    log.replace([...log.readSound()]);
  }
  report.repairAll();
  return report;
}

async function checkLines(
  { pause }: VerifyContext,
  report: StepReport,
  file: string,
  path: string,
): Promise<void> {
  const bytes = read(path) ?? new Uint8Array();
  for (let at = 0; at < bytes.length;) {
    const feed = bytes.indexOf(LINE_FEED, at);
    const end = feed === -1 ? bytes.length : feed;
    const line = bytes.subarray(at, end);
    if (line.length > 0) {
      report.checked++;
      report.bytes += line.length;
      if (!isCheckedLine(line)) {
        if (line.at(-1) !== BRACE) report.unfinished++;
        else report.find({ file, offset: at, problem: "a line is damaged" });
      }
    }
    at = end + 1;
    if (report.checked % 1000 === 0) await pause(report);
  }
}

/** What the disk gives of a file. */
function read(path: string): Uint8Array<ArrayBuffer> | undefined {
  using file = openIfThere(path);
  if (file === undefined) return undefined;
  const bytes = new Uint8Array(Math.min(file.seekSync(0, Deno.SeekMode.End), MOST_BYTES));
  return readAround(file, 0, bytes) ? bytes : undefined;
}
