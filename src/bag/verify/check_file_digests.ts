import { isCheckedLine } from "../../disk/checked_line.ts";
import { openIfThere, readAround, replaceFile } from "../../disk/file_system.ts";
import { StepReport, type VerifyContext } from "./report.ts";

const LINE_FEED = 0x0a;
const BRACE = 0x7d;

/**
 * Checks `files.jsonl`, on which nothing depends: what is damaged is hashed again. A line that has no
 * end is what a killed program has left.
 *
 * @param context What all steps have in common.
 * @returns What was found; a repair leaves the sound lines.
 */
export async function checkFileDigests(context: VerifyContext): Promise<StepReport> {
  const { layout, fileSystem, quarantine, pause } = context;
  const report = new StepReport("files");
  const bytes = read(layout.fileDigests);
  if (bytes === undefined) return report;
  const sound: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < bytes.length;) {
    const feed = bytes.indexOf(LINE_FEED, at);
    const end = feed === -1 ? bytes.length : feed;
    const line = bytes.subarray(at, end);
    if (line.length > 0) {
      report.checked++;
      report.bytes += line.length;
      if (isCheckedLine(line)) sound.push(bytes.slice(at, end + 1));
      else if (line.at(-1) !== BRACE) report.unfinished++;
      else report.find({ file: "files.jsonl", offset: at, problem: "a line is damaged" });
    }
    at = end + 1;
    if (report.checked % 1000 === 0) await pause(report);
  }
  if (report.problems === 0 || quarantine === undefined) return report;
  if (quarantine.copy(layout.fileDigests)) report.quarantined++;
  // Whoever adds a line meanwhile has it hashed again.
  replaceFile(fileSystem, layout.fileDigests, sound);
  report.repairAll();
  return report;
}

/** What the disk gives of a file. */
function read(path: string): Uint8Array<ArrayBuffer> | undefined {
  using file = openIfThere(path);
  if (file === undefined) return undefined;
  const bytes = new Uint8Array(Math.min(file.seekSync(0, Deno.SeekMode.End), MOST_BYTES));
  return readAround(file, 0, bytes) ? bytes : undefined;
}

/** It is written anew when it has 8 MiB; each of those that write may add one line to that. */
const MOST_BYTES = 2 ** 24;
