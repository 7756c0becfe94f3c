import { BagCorruptError, QuiverError } from "../../base/errors.ts";
import { FileHandles, isLockedAt, isMissing, openIfThere } from "../../disk/file_system.ts";
import {
  type BagLayout,
  directoriesOf,
  filesOf,
  listEntries,
  listJournals,
  listNames,
  listRoot,
  toSegmentPaths,
} from "../../disk/layout.ts";
import { waitUntil } from "../../disk/leases.ts";
import type { Digest } from "../../value/value.ts";
import {
  checkBag,
  isBagJsonReadable,
  refuseLinkedDirectories,
  upgradeBag,
  writeBagJson,
} from "../bag_json.ts";
import { createPause, listUnfinished, listUnnamed, removeFiles } from "../fold/bag_editor.ts";
import { sealCalls } from "../fold/index_log.ts";
import { PositionedFile } from "../hdf5/emscripten_fs.ts";
import type { Hdf5Environment, Hdf5Input } from "../hdf5/access.ts";
import { FoldLock, type Manifest, readManifest, writeManifest } from "../manifest.ts";
import { writeLinkFile } from "../segment/link_file.ts";
import type { SegmentSource } from "../segment/segment_writer.ts";
import { checkLineFiles } from "./check_line_files.ts";
import { checkJournals } from "./check_journals.ts";
import { checkLog } from "./check_log.ts";
import { type CheckedManifest, checkManifest } from "./check_manifest.ts";
import { type CheckedSegments, checkSegments } from "./check_segments.ts";
import { rewriteLog } from "./repair_log.ts";
import {
  type Quarantine,
  StepReport,
  toRelative,
  type VerifyContext,
  type VerifyOptions,
} from "./report.ts";

/** How often an observer is told, in milliseconds. */
const PROGRESS_INTERVAL = 100;

/** What checking the files of a bag gave. */
export interface VerifiedFiles {
  /** What each step found. */
  readonly reports: readonly StepReport[];
  /** Whether the bag can be opened now. */
  readonly readable: boolean;
  /** Whether a fold has something to put right. */
  readonly foldable: boolean;
  /** The keys of calls whose records are damaged. */
  readonly lost: ReadonlySet<Digest>;
}

/** What a check of files needs. */
export interface VerifyEnvironment extends Hdf5Environment {
  /** Where damaged files go; without it nothing is changed. */
  readonly quarantine: Quarantine | undefined;
}

/**
 * Checks all files of a bag, and puts them right if there is a quarantine. Nobody folds meanwhile;
 * others read and write.
 *
 * @param environment What a check needs.
 * @param options Who is told, and what ends it.
 * @returns What was found.
 */
export async function verifyFiles(
  layout: BagLayout,
  environment: VerifyEnvironment,
  options: VerifyOptions,
): Promise<VerifiedFiles> {
  const { fileSystem, quarantine } = environment;
  refuseLinkedDirectories(layout);
  // Before anything is opened: a lock could be a link, too.
  const links = checkLinks({ layout, quarantine });
  // Nothing else can be opened where a link is in the way.
  if (links.problems > links.repaired) {
    return { reports: [links], readable: false, foldable: false, lost: new Set() };
  }
  const bagJson = checkBagJson({ layout, fileSystem, quarantine });
  using _lock = await takeLock(layout, environment, options);
  using handles = new FileHandles();
  const context = await createContext(layout, environment, options, handles);
  const checked = checkManifest(context);
  const door = checkLinkFile(context, checked.manifest);
  const found = await checkSegments(context, checked);
  const journals = await checkJournals(context, found.manifest);
  const switched = quarantine === undefined
    ? checked.manifest
    : commit(context, checked, door, found);
  const { segments, tables } = found;
  const before = tables.problems;
  const { report: log, lost } = await checkLog(context, tables, switched);
  const manifest = quarantine === undefined
    ? switched
    : await repairLog(context, switched, log, tables, before);
  const files = await checkLineFiles(context);
  const unfinished = checkUnfinished(layout, manifest);
  const { report: manifestReport } = checked;
  return {
    reports: [
      links,
      bagJson,
      manifestReport,
      door,
      segments,
      tables,
      journals.report,
      log,
      files,
      unfinished,
    ],
    readable: bagJson.problems === bagJson.repaired &&
      manifestReport.problems === manifestReport.repaired,
    foldable: journals.foldable,
    lost,
  };
}

/**
 * Takes copies of values out of all segments that are whole but wrong: whoever computes the values
 * again finds that they are missing, and stores them.
 *
 * @param environment What a check needs.
 * @param options Who is told, and what ends it.
 * @param isCondemned Tells which copies.
 */
export async function dropValues(
  layout: BagLayout,
  environment: VerifyEnvironment,
  options: VerifyOptions,
  isCondemned: (source: SegmentSource) => boolean,
): Promise<void> {
  using _lock = await takeLock(layout, environment, options);
  using handles = new FileHandles();
  const context = await createContext(layout, environment, options, handles);
  const report = new StepReport("manifest");
  const checked = { report, manifest: readManifest(layout), changed: false };
  const found = await checkSegments(context, checked, isCondemned);
  commit(context, checked, new StepReport("link file"), found);
}

function takeLock(
  layout: BagLayout,
  { fileSystem, quarantine }: VerifyEnvironment,
  { signal }: VerifyOptions,
): Promise<FoldLock> {
  return waitUntil(
    () =>
      quarantine === undefined ? FoldLock.tryHold(layout) : FoldLock.tryTake(fileSystem, layout),
    signal,
  );
}

async function createContext(
  layout: BagLayout,
  { fileSystem, loadLibrary, quarantine }: VerifyEnvironment,
  { signal, progress }: VerifyOptions,
  handles: FileHandles,
): Promise<VerifyContext> {
  const pause = createPause();
  let told = performance.now();
  return {
    layout,
    fileSystem,
    library: await loadLibrary(),
    handles,
    quarantine,
    async pause(step) {
      await pause();
      signal?.throwIfAborted();
      if (performance.now() - told < PROGRESS_INTERVAL) return;
      told = performance.now();
      progress?.update(step.toStep());
    },
  };
}

/** Makes what was found the live state, in one switch. */
function commit(
  context: VerifyContext,
  { report, manifest: before, changed }: CheckedManifest,
  door: StepReport,
  { manifest, replaced }: CheckedSegments,
): Manifest {
  const { fileSystem, layout, quarantine } = context;
  const switched = changed || manifest !== before;
  if (switched || door.problems > 0) {
    writeLinkFile(context, manifest.segments);
    door.repairAll();
  }
  if (!switched) return manifest;
  if (report.problems > 0 && quarantine?.copy(layout.manifest)) report.quarantined++;
  const next = { ...manifest, generation: manifest.generation + 1 };
  writeManifest(fileSystem, layout, next);
  report.repairAll();
  removeFiles(context, replaced);
  return next;
}

async function repairLog(
  context: VerifyContext,
  manifest: Manifest,
  log: StepReport,
  tables: StepReport,
  tableProblems: number,
): Promise<Manifest> {
  const { fileSystem, layout, quarantine } = context;
  const isTableWrong = tables.problems > tableProblems;
  if (log.problems === 0 && !isTableWrong) return manifest;
  if (isTableWrong && quarantine?.copy(layout.callIndex)) {
    fileSystem.remove(layout.callIndex);
    tables.quarantined++;
  }
  const next = log.problems > 0 ? await rewriteLog(context, manifest) : manifest;
  if (log.problems > 0) log.quarantined++;
  sealCalls(fileSystem, layout, next.logGeneration);
  log.repairAll();
  tables.repairAll();
  return next;
}

/** What killed programs left: the next fold removes it. */
function checkUnfinished(layout: BagLayout, manifest: Manifest): StepReport {
  const report = new StepReport("unfinished");
  const left = [
    ...listUnfinished(layout),
    ...listUnnamed(layout, manifest).map(({ path }) => path),
    ...listEntries(layout.leases)
      .filter((entry) => entry.isFile)
      .map((entry) => `${layout.leases}/${entry.name}`)
      .filter((lease) => isLockedAt(lease) === false),
  ];
  report.checked = left.length;
  report.unfinished = left.length;
  return report;
}

/**
 * Checks `bag.json`. Of a bag that lost it, all else is as in any other: a repair writes it anew, as
 * that of a bag without compression. Arrays that are compressed stay so, as each segment tells how
 * to read it; what is sealed from then on is not compressed.
 *
 * @param context What all steps have in common.
 * @returns What was found.
 * @throws {BagFormatError} If the directory is not a bag, or one that this version cannot use.
 */
function checkBagJson(
  { layout, fileSystem, quarantine }: Pick<VerifyContext, "layout" | "fileSystem" | "quarantine">,
): StepReport {
  const report = new StepReport("bag.json");
  report.checked++;
  const names = listRoot(layout.root).map(({ name }) => name);
  const isBag = names.includes("manifest.json") || listNames(layout.segments).length > 0 ||
    listJournals(layout).length > 0;
  if (!isBag || isBagJsonReadable(layout, hasManifest(layout))) {
    // What a repair writes is of the newest version.
    if (quarantine === undefined) checkBag(layout);
    else upgradeBag(fileSystem, layout);
    return report;
  }
  report.find({ file: "bag.json", problem: "it is missing or damaged" });
  if (quarantine === undefined) return report;
  if (quarantine.copy(layout.bagJson)) report.quarantined++;
  writeBagJson(fileSystem, layout, {});
  checkBag(layout);
  report.repairAll();
  return report;
}

/** Whether there is a manifest with its checksum, as only a bag has it. */
function hasManifest(layout: BagLayout): boolean {
  try {
    return !isMissing(layout.manifest) && readManifest(layout) !== undefined;
  } catch (error) {
    if (error instanceof BagCorruptError) return false;
    throw error;
  }
}

/** What is to be said of `values.h5`: what is wrong, or that it is what a killed fold left. */
type Door = { readonly problem?: string; readonly unfinished?: true };

/**
 * Checks that `values.h5` leads to the live segments and to no others.
 *
 * A program that is killed beside a switch of the manifest leaves a door that leads to segments of
 * the other side, which are whole, and there until the next fold removes them and makes the door anew.
 *
 * @param context What all steps have in common.
 * @param manifest What is live.
 * @returns What was found; whoever repairs writes it anew.
 */
function checkLinkFile(context: VerifyContext, manifest: Manifest): StepReport {
  const { layout, fileSystem, library, quarantine } = context;
  const report = new StepReport("link file");
  using file = openIfThere(layout.linkFile);
  if (file === undefined && manifest.segments.length === 0) return report;
  report.checked++;
  const { problem, unfinished }: Door = file === undefined
    ? { problem: "it is missing" }
    : readDoor(() => library.open(new PositionedFile(fileSystem, file)), layout, manifest);
  if (unfinished) report.unfinished++;
  if (problem === undefined) return report;
  report.find({ file: "values.h5", problem });
  if (quarantine?.copy(layout.linkFile)) report.quarantined++;
  return report;
}

function readDoor(open: () => Hdf5Input, layout: BagLayout, manifest: Manifest): Door {
  try {
    const input = open();
    try {
      return compareLinks(input, layout, manifest);
    } finally {
      input.close();
    }
  } catch (error) {
    if (error instanceof QuiverError || error instanceof RangeError) {
      return { problem: "it cannot be read as HDF5" };
    }
    throw error;
  }
}

function compareLinks(input: Hdf5Input, layout: BagLayout, manifest: Manifest): Door {
  const names = input.names("/segments");
  for (const name of names) {
    const { file, target } = input.readExternalLink(`/segments/${name}`);
    if (file === `segments/${name}.h5` && target === "/values") continue;
    return { problem: `it leads to "${target}" of "${file}" in location of segment ${name}` };
  }
  const live = new Set(manifest.segments.map(({ name }) => name));
  const others = names.filter((name) => !live.has(name));
  // Where the door could not be made anew, the table is what stays (`bag_editor.ts`).
  const gone = others.find((name) => toSegmentPaths(layout, name).every(isMissing));
  if (gone !== undefined) return { problem: `it leads to "${gone}", which is not live` };
  if (others.length > 0) return { unfinished: true };
  const [missed] = live.difference(new Set(names));
  return missed === undefined ? {} : { problem: `it does not lead to segment ${missed}` };
}

/**
 * Looks for what has the name of a file of the bag and is none: links, directories, pipes. The bag
 * never follows them. A repair moves the link itself, and what it leads to is left alone.
 *
 * @param context What all steps have in common.
 * @returns What was found.
 */
function checkLinks(
  { layout, quarantine }: Pick<VerifyContext, "layout" | "quarantine">,
): StepReport {
  const report = new StepReport("links");
  for (const { path, isFile } of listOwn(layout)) {
    report.checked++;
    if (isFile) continue;
    report.find({ file: toRelative(layout, path), problem: "it is a link or no file at all" });
    if (quarantine === undefined) continue;
    quarantine.move(path);
    report.quarantined++;
    report.repaired++;
  }
  return report;
}

function listOwn(layout: BagLayout): { path: string; isFile: boolean }[] {
  const inRoot = listRoot(layout.root)
    .map(({ name, isFile }) => ({ path: `${layout.root}/${name}`, isFile }))
    .filter(({ path }) => filesOf(layout).includes(path));
  const below = directoriesOf(layout)
    .filter((directory) => directory !== layout.quarantine)
    .flatMap((directory) =>
      listEntries(directory).map(({ name, isFile }) => ({ path: `${directory}/${name}`, isFile }))
    );
  return [...inRoot, ...below];
}
