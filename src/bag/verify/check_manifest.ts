import { BagCorruptError } from "../../base/errors.ts";
import { type FileHandles, isMissing, lookAt, openIfThere } from "../../disk/file_system.ts";
import { type BagLayout, listJournals, listNames } from "../../disk/layout.ts";
import type { Digest } from "../../value/value.ts";
import { listUnnamed } from "../fold/bag_editor.ts";
import { readUnsealed } from "../fold/unsealed_values.ts";
import {
  EMPTY_MANIFEST,
  hasRoom,
  type Manifest,
  readManifest,
  type SegmentEntry,
  toNextSegment,
} from "../manifest.ts";
import { measure } from "../segment/seal.ts";
import { SegmentTable } from "../segment/segment_table.ts";
import { namedBy } from "./named_values.ts";
import { readLog } from "./read_log.ts";
import { StepReport, type VerifyContext } from "./report.ts";

/** Handles that are open may know segments that are gone: their numbers are not used again. */
const NUMBERS_SKIPPED = 1000;

/** Checksums begin with the generation of a log, which has 32 bits, and is followed by others. */
const LOG_GENERATIONS = 2 ** 31;

/** What is live, as far as can be told. */
export interface CheckedManifest {
  /** What was found. */
  readonly report: StepReport;
  /** What is live; made from what is there if the manifest says less or nothing. */
  readonly manifest: Manifest;
  /** Whether that is not what the file says. */
  readonly changed: boolean;
}

/**
 * Checks the manifest.
 *
 * Without one, every complete segment counts as live. Some may be what a killed fold left: then all
 * that is in them is also elsewhere, which costs space and nothing else. Nothing counts as sealed,
 * so that all journals are folded again.
 *
 * @param context What all steps have in common.
 * @returns What was found, and what is live.
 */
export function checkManifest(
  { layout, handles }: Pick<VerifyContext, "layout" | "handles">,
): CheckedManifest {
  const report = new StepReport("manifest");
  report.checked++;
  const known = readKnown(layout, report);
  if (known === undefined) return { report, manifest: recover(layout, handles), changed: true };
  const lost = findUnnamed(layout, handles, known);
  if (lost.length === 0) return { report, manifest: known, changed: false };
  report.find({
    file: "manifest.json",
    problem: `it is an old copy: it does not name ${lost.map(({ name }) => name).join(", ")}`,
  });
  const manifest = {
    ...known,
    generation: toNewGeneration(),
    segments: [...known.segments, ...lost],
    nextSegment: toNextSegment({ ...known, segments: [...known.segments, ...lost] }) +
      NUMBERS_SKIPPED,
  };
  return { report, manifest, changed: true };
}

function readKnown(layout: BagLayout, report: StepReport): Manifest | undefined {
  try {
    if (!isMissing(layout.manifest)) {
      const manifest = readManifest(layout);
      if (hasRoom(manifest)) return manifest;
      report.find({ file: "manifest.json", problem: "it has numbers that no bag comes to" });
      return undefined;
    }
    if (isNew(layout)) {
      report.unfinished++;
      return EMPTY_MANIFEST;
    }
    report.find({ file: "manifest.json", problem: "it is missing" });
  } catch (error) {
    if (!(error instanceof BagCorruptError)) throw error;
    report.find({ file: "manifest.json", problem: "it is damaged" });
  }
  return undefined;
}

/** Whether whoever created the bag was killed before its first manifest, and nobody has come since. */
function isNew(layout: BagLayout): boolean {
  return listNames(layout.segments).length === 0 && listJournals(layout).length === 0 &&
    (lookAt(layout.callLog)?.size ?? 0) === 0;
}

function recover(layout: BagLayout, handles: FileHandles): Manifest {
  const segments = listOthers(layout, EMPTY_MANIFEST).map((name) => toEntry(layout, handles, name));
  const generation = toNewGeneration();
  return {
    ...EMPTY_MANIFEST,
    generation,
    // How often the log was replaced is not known: it must not be taken for one that was there before.
    logGeneration: generation % LOG_GENERATIONS,
    segments: segments.sort((a, b) => Number(a.name) - Number(b.name)),
    nextSegment: toNextSegment({ ...EMPTY_MANIFEST, segments }) + NUMBERS_SKIPPED,
  };
}

/** Open handles take a manifest whose generation is another one; milliseconds outrun any count. */
function toNewGeneration(): number {
  return Date.now();
}

function toEntry(layout: BagLayout, handles: FileHandles, name: string): SegmentEntry {
  return { name, ...measure(SegmentTable.read(layout, name, handles)?.rows() ?? []) };
}

/** The names of complete segments that a manifest does not name. */
function listOthers(layout: BagLayout, manifest: Manifest): string[] {
  return listUnnamed(layout, manifest)
    .filter(({ path, complete }) => complete && path.endsWith(".h5"))
    .map(({ segment }) => segment);
}

/** Complete segments that are newer than the manifest, with values that are nowhere else. */
function findUnnamed(
  layout: BagLayout,
  handles: FileHandles,
  manifest: Manifest,
): SegmentEntry[] {
  const next = toNextSegment(manifest);
  const names = listOthers(layout, manifest).filter((name) => Number(name) >= next);
  if (names.length === 0) return [];
  const isKnown = createIsKnown(layout, handles, manifest);
  return names.filter((name) => {
    const table = SegmentTable.read(layout, name, handles);
    // A fold writes the table next: without it nothing was acknowledged to be here alone.
    if (table === undefined) return Number(name) > next;
    const alone = new Set(table.rows().map(({ digest }) => digest).filter((one) => !isKnown(one)));
    if (alone.size === 0) return false;
    // A segment whose switch a loss of power has undone may have what is lost of journals, which
    // nobody has synced, nor records that name it.
    return Number(name) > next || isAnyNamed(layout, alone);
  }).map((name) => toEntry(layout, handles, name));
}

/** Whether a record of the call log names one of some values. */
function isAnyNamed(layout: BagLayout, values: ReadonlySet<Digest>): boolean {
  using file = openIfThere(layout.callLog);
  if (file === undefined) return false;
  let named = false;
  readLog(file, file.seekSync(0, Deno.SeekMode.End), {
    visit(_, content = {}) {
      named ||= namedBy(content).some((digest) => values.has(digest));
    },
    skip: () => [],
  });
  return named;
}

function createIsKnown(
  layout: BagLayout,
  handles: FileHandles,
  manifest: Manifest,
): (digest: Digest) => boolean {
  const { entries } = readUnsealed(layout, handles, EMPTY_MANIFEST, Date.now);
  const unsealed = new Set(Array.from(entries, ({ digest }) => digest));
  const tables = manifest.segments.flatMap(({ name }) =>
    SegmentTable.read(layout, name, handles) ?? []
  );
  return (digest) => unsealed.has(digest) || tables.some((table) => table.find(digest) !== -1);
}
