import { QuiverError } from "../base/errors.ts";
import type { Digest } from "../value/value.ts";
import { FileHandles, openIfThere } from "../disk/file_system.ts";
import { refuseLinkedDirectories } from "./bag_json.ts";
import { sealCalls } from "./seal_calls.ts";
import { checkBagJson } from "./check_bag_json.ts";
import { checkFrontDoor } from "./check_front_door.ts";
import { checkJournals } from "./check_journals.ts";
import { checkLinks } from "./check_links.ts";
import { checkLog } from "./check_log.ts";
import { type CheckedManifest, checkManifest } from "./check_manifest.ts";
import { type CheckedSegments, checkSegments, removeReplaced } from "./check_segments.ts";
import { createPause, type FoldEnvironment } from "./bag_editor.ts";
import { FoldLock } from "./fold_lock.ts";
import { writeFrontDoor } from "./front_door.ts";
import { type BagLayout, listEntries } from "../disk/layout.ts";
import { waitUntil } from "../disk/leases.ts";
import { type Manifest, readManifest, writeManifest } from "./manifest.ts";
import type { Quarantine } from "./quarantine.ts";
import { listUnfinished, listUnnamed } from "./remove_unfinished.ts";
import { rewriteLog } from "./repair_log.ts";
import { StepReport } from "./step_report.ts";
import type { VerifyContext } from "./verify_context.ts";
import type { VerifyOptions } from "./verify_report.ts";

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
}

/** What a check of files needs. */
export interface VerifyEnvironment extends FoldEnvironment {
  /** Where damaged files go; without it nothing is changed. */
  readonly quarantine: Quarantine | undefined;
}

/**
 * Checks all files of a bag, and puts them right if there is a quarantine. Nobody folds meanwhile;
 * others read and write.
 *
 * @param layout The bag's paths.
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
    return { reports: [links], readable: false, foldable: false };
  }
  const bagJson = checkBagJson({ layout, fileSystem, quarantine });
  using _lock = await takeLock(layout, environment, options);
  using handles = new FileHandles();
  const context = await createContext(layout, environment, options, handles);
  const checked = checkManifest(context);
  const door = checkFrontDoor(context, checked.manifest);
  const found = await checkSegments(context, checked);
  const journals = await checkJournals(context, found.manifest);
  const switched = quarantine === undefined
    ? checked.manifest
    : commit(context, checked, door, found);
  const { segments, tables } = found;
  const before = tables.problems;
  const log = await checkLog(context, tables, switched);
  const manifest = quarantine === undefined
    ? switched
    : await repairLog(context, switched, log, tables, before);
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
      unfinished,
    ],
    readable: bagJson.problems === bagJson.repaired &&
      manifestReport.problems === manifestReport.repaired,
    foldable: journals.foldable,
  };
}

/**
 * Takes values out of all segments that are whole but wrong: whoever computes them again finds that
 * they are missing, and stores them.
 *
 * @param layout The bag's paths.
 * @param environment What a check needs.
 * @param options Who is told, and what ends it.
 * @param condemned The digests of the values.
 */
export async function dropValues(
  layout: BagLayout,
  environment: VerifyEnvironment,
  options: VerifyOptions,
  condemned: ReadonlySet<Digest>,
): Promise<void> {
  using _lock = await takeLock(layout, environment, options);
  using handles = new FileHandles();
  const context = await createContext(layout, environment, options, handles);
  const report = new StepReport("manifest");
  const checked = { report, manifest: readManifest(layout), changed: false };
  const found = await checkSegments(context, checked, condemned);
  commit(context, checked, new StepReport("front door"), found);
}

async function takeLock(
  layout: BagLayout,
  { fileSystem, quarantine }: VerifyEnvironment,
  { signal }: VerifyOptions,
): Promise<FoldLock> {
  let lock: FoldLock | undefined;
  await waitUntil(() => {
    lock = quarantine === undefined
      ? FoldLock.tryHold(layout)
      : FoldLock.tryTake(fileSystem, layout);
    return lock !== undefined;
  }, signal);
  if (lock === undefined) {
    throw new QuiverError(`Cannot check "${layout.root}": it is being folded`);
  }
  return lock;
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
  const { fileSystem, layout, library, quarantine } = context;
  const switched = changed || manifest !== before;
  if (switched || door.problems > 0) {
    writeFrontDoor(fileSystem, layout, library, manifest.segments.map(({ name }) => name));
    door.repairAll();
  }
  if (!switched) return manifest;
  if (report.problems > 0 && quarantine?.copy(layout.manifest)) report.quarantined++;
  const next = { ...manifest, generation: manifest.generation + 1 };
  writeManifest(fileSystem, layout, next);
  report.repairAll();
  removeReplaced(context, replaced);
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
      .filter(isFree),
  ];
  report.checked = left.length;
  report.unfinished = left.length;
  return report;
}

function isFree(lease: string): boolean {
  using file = openIfThere(lease);
  if (file === undefined || !file.tryLockSync(false)) return false;
  file.unlockSync();
  return true;
}
