import type { Digest } from "../value/value.ts";
import { removeIfThere, replaceFile } from "../disk/file_system.ts";
import { checkBag } from "./bag_json.ts";
import type { CheckedManifest } from "./check_manifest.ts";
import { type ExaminedSegment, examineSegment } from "./examine_segment.ts";
import { toSegmentIndexPath, toSegmentName, toSegmentPath } from "../disk/layout.ts";
import { type Manifest, type SegmentEntry, writeManifest } from "./manifest.ts";
import { sealSegment } from "./seal_segment.ts";
import type { SegmentSource } from "./segment_writer.ts";
import { StepReport } from "./step_report.ts";
import type { VerifyContext } from "./verify_context.ts";

/** What is live once the manifest is switched. */
export interface CheckedSegments {
  /** What was found in segments. */
  readonly segments: StepReport;
  /** What was found in their tables. */
  readonly tables: StepReport;
  /** What is live from now on; the same object as before if nothing was changed. */
  readonly manifest: Manifest;
  /** Files that nothing names after the switch; they are in quarantine already. */
  readonly replaced: readonly string[];
}

/**
 * Checks all segments and their tables.
 *
 * A repair makes a table again whose segment is sound. Of a segment that is damaged itself, all
 * values that are whole go into a new one.
 *
 * @param context What all steps have in common.
 * @param checked What is live, and whether that is what the manifest says.
 * @param condemned Values that are whole but wrong; a repair leaves them out.
 * @returns What was found, and what is live from now on.
 */
export async function checkSegments(
  context: VerifyContext,
  { manifest, changed }: Pick<CheckedManifest, "manifest" | "changed">,
  condemned: ReadonlySet<Digest> = new Set(),
): Promise<CheckedSegments> {
  const segments = new StepReport("segments");
  const tables = new StepReport("tables");
  const live: SegmentEntry[] = [];
  const replaced: string[] = [];
  let next = manifest.nextSegment;
  let reserved = manifest;
  for (const entry of manifest.segments) {
    const examined = await examineSegment(context, segments, entry);
    count(segments, tables, examined);
    const isCondemned = condemned.size > 0 &&
      examined.sources().some(({ digest }) => condemned.has(digest));
    if (examined.findings.length > 0 || isCondemned) {
      if (context.quarantine === undefined) continue;
      if (reserved === manifest && !changed) reserved = reserveNumbers(context, manifest);
      const name = toSegmentName(next);
      const kept = examined.sources().filter(({ digest }) => !condemned.has(digest));
      const renewed = await replaceSegment(context, segments, entry.name, name, kept);
      replaced.push(
        toSegmentPath(context.layout, entry.name),
        toSegmentIndexPath(context.layout, entry.name),
      );
      if (renewed !== undefined) {
        live.push(renewed);
        next++;
      }
    } else {
      live.push(examined.entry);
      renewTable(context, tables, examined);
    }
    await context.pause(segments);
  }
  if (context.quarantine === undefined) return { segments, tables, manifest, replaced };
  segments.repairAll();
  tables.repairAll();
  if (JSON.stringify(live) === JSON.stringify(manifest.segments)) {
    return { segments, tables, manifest: reserved, replaced };
  }
  const nextSegment = Math.max(next, reserved.nextSegment);
  const repaired = { ...reserved, segments: live, nextSegment };
  return { segments, tables, manifest: repaired, replaced };
}

/**
 * Takes numbers for the segments that a repair writes before its switch. If it is killed, they are
 * older than the manifest, and the next fold removes them; newer ones it would refuse to.
 */
function reserveNumbers({ fileSystem, layout }: VerifyContext, manifest: Manifest): Manifest {
  const { generation, nextSegment, segments } = manifest;
  const reserved = {
    ...manifest,
    generation: generation + 1,
    nextSegment: nextSegment + segments.length,
  };
  writeManifest(fileSystem, layout, reserved);
  return reserved;
}

function count(
  segments: StepReport,
  tables: StepReport,
  { entry, findings, tableProblem }: ExaminedSegment,
): void {
  tables.checked++;
  for (const { count, ...finding } of findings) segments.find(finding, count);
  if (tableProblem !== undefined) {
    tables.find({ file: `segments/${entry.name}.index`, problem: tableProblem });
  }
}

/** Nobody looks at the new segment before the manifest names it. */
async function replaceSegment(
  context: VerifyContext,
  report: StepReport,
  old: string,
  name: string,
  sources: readonly SegmentSource[],
): Promise<SegmentEntry | undefined> {
  const { fileSystem, layout, library, quarantine } = context;
  for (const path of [toSegmentPath(layout, old), toSegmentIndexPath(layout, old)]) {
    if (quarantine?.copy(path)) report.quarantined++;
  }
  if (sources.length === 0) return undefined;
  const pause = () => context.pause(report);
  const environment = { fileSystem, layout, library, pause, ...checkBag(layout) };
  return await sealSegment(environment, name, sources);
}

function renewTable(
  { fileSystem, layout, quarantine }: VerifyContext,
  report: StepReport,
  { entry, tableProblem, table }: ExaminedSegment,
): void {
  if (quarantine === undefined || tableProblem === undefined || table === undefined) return;
  const path = toSegmentIndexPath(layout, entry.name);
  if (quarantine.copy(path)) report.quarantined++;
  replaceFile(fileSystem, path, [table]);
}

/**
 * Removes what nothing names any more.
 *
 * @param context What all steps have in common.
 * @param paths The files.
 */
export function removeReplaced(
  { fileSystem, handles }: VerifyContext,
  paths: readonly string[],
): void {
  for (const path of paths) {
    handles.close(path);
    removeIfThere(fileSystem, path);
  }
}
