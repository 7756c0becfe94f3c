/**
 * Backs up a bag beside those who use it.
 *
 * Nothing is held up for that. A *pass* reads the manifest, then takes note of where the call log ends
 * and which journals there are, then brings segments and these journals, and then reads the manifest
 * again. If that is the same and no journal has gone, all that the log names up to there was brought: a
 * value is put before the record that names it, and goes, with its segment or journal, only after a line
 * that forgets the call or a manifest that names another segment. If not, the next pass brings what is
 * new. Where many switch manifests, later passes
 * take the lock of those who do.
 *
 * In the backup a record comes after its values, too, and values go after it: segments are made live
 * beside the older ones, then the log is brought, then the older ones go. So whoever is killed in between
 * leaves a backup that opens with all that was in it, or all that is, or is none yet.
 *
 * @module
 */
import { BagCorruptError, QuiverError } from "../../base/errors.ts";
import { type FileSystem, removeIfThere } from "../../disk/file_system.ts";
import { type BagLayout, listJournals, toLayout, toSegmentPath } from "../../disk/layout.ts";
import { waitUntil } from "../../disk/leases.ts";
import { LineLog } from "../../disk/line_log.ts";
import { likeDirectory } from "../../disk/ownership.ts";
import { checkBag } from "../bag_json.ts";
import { createPause } from "../fold/bag_editor.ts";
import type { Hdf5Environment } from "../hdf5/access.ts";
import { FoldLock, type Manifest, readManifest, type SegmentEntry } from "../manifest.ts";
import { HDF5_ENVIRONMENT } from "../segment/hdf5_file.ts";
import type { BackupOptions, BackupProgress, BackupResult } from "./backup_options.ts";
import { BackupTarget } from "./backup_target.ts";
import { identify, readId } from "./bag_id.ts";
import { ValueCopier } from "./copy_values.ts";
import { FileCopier } from "./file_copier.ts";
import { countCalls, LogSnapshot } from "./log_snapshot.ts";

/** How many passes hold nobody up. */
const FREE_PASSES = 2;

/** How many passes there are at the most. */
const MOST_PASSES = 100;

/** For how long a pass waits for whoever changes segments, in milliseconds: that one may be stopped. */
const PATIENCE = 5000;

/** How often an observer is told, in milliseconds. */
const PROGRESS_INTERVAL = 100;

/** What is backed up where. */
export interface BackupRequest extends BackupOptions {
  /** The bag's directory, absolute. */
  readonly root: string;
  /** Whether the bag may be changed: to be known by its backups. */
  readonly writable: boolean;
  /** The directory of the backup, absolute. */
  readonly directory: string;
}

/**
 * Backs up a bag.
 *
 * @param request What is backed up where.
 * @param environment What it stands on.
 * @returns What was done.
 */
export async function backupBag(
  { root, writable, directory, links = true, signal, progress }: BackupRequest,
  environment: Hdf5Environment = HDF5_ENVIRONMENT,
): Promise<BackupResult> {
  signal?.throwIfAborted();
  const layout = toLayout(root);
  checkBag(layout);
  const manifest = readManifest(layout);
  const bag = { layout, path: Deno.realPathSync(root), id: readId(layout), manifest };
  using target = BackupTarget.open(directory, bag, environment);
  const { fileSystem } = target;
  const owned = likeDirectory(environment.fileSystem, root);
  const id = writable ? identify(owned, layout) : bag.id;
  const copier = new FileCopier({ fileSystem, links, pause: toPause(signal, progress) });
  const holdStill = () => takeLock(layout, writable ? owned : undefined, signal);
  using found = await copyValues(layout, target, copier, holdStill);
  const removed = await commit(target, found, id, copier);
  copyUses(layout, target);
  const calls = countCalls(target.layout);
  return { path: directory, ...copier.state, calls, removed };
}

/** What a pass has found and brought. */
interface Found extends Disposable {
  /** What is live in the backup when all is done, but for the number of its next segment. */
  readonly manifest: Manifest;
  /** The same of the bag. */
  readonly source: Manifest;
  /** The journals that stay. */
  readonly journals: ReadonlySet<string>;
  /** The call log, up to where all it names was brought. */
  readonly log: LogSnapshot;
}

async function copyValues(
  layout: BagLayout,
  target: BackupTarget,
  copier: FileCopier,
  holdStill: () => Promise<Disposable | undefined>,
): Promise<Found> {
  const values = new ValueCopier(layout, target, copier);
  for (let pass = 0; pass < MOST_PASSES; pass++) {
    using _lock = pass < FREE_PASSES ? undefined : await holdStill();
    const found = await tryPass(layout, values);
    if (found !== undefined) return found;
  }
  throw new QuiverError(
    `Cannot back up "${layout.root}": others have folded or compacted it ${MOST_PASSES} times meanwhile; ` +
      "back it up when they do so less often",
  );
}

/** Brings what is there; gives nothing where others have changed what is live meanwhile. */
async function tryPass(layout: BagLayout, values: ValueCopier): Promise<Found | undefined> {
  const source = readManifest(layout);
  // Both before and after a look at the log: what is dropped with a journal is so after it was forgotten.
  const before = listJournals(layout);
  const log = new LogSnapshot(layout, source.logGeneration);
  const names = new Set([...before, ...listJournals(layout)]);
  try {
    const isStale = () => readManifest(layout).generation !== source.generation;
    const segments = await values.bringSegments(source.segments);
    const journals = await values.bringJournals(names, source, isStale);
    if (journals === undefined || isStale()) {
      log[Symbol.dispose]();
      return undefined;
    }
    const lost = source.segments.find(({ name }) => !values.has(name));
    if (lost !== undefined) throw toLostError(layout, lost);
    const sealed = Object.entries(source.sealed).filter(([name]) => journals.has(name));
    const manifest = { ...source, segments, sealed: Object.fromEntries(sealed) };
    return { manifest, source, journals, log, [Symbol.dispose]: () => log[Symbol.dispose]() };
  } catch (error) {
    log[Symbol.dispose]();
    throw error;
  }
}

/** Nothing depends on them: a backup without them is whole. */
function copyUses(
  layout: BagLayout,
  { layout: { uses: path, root }, fileSystem }: BackupTarget,
): void {
  const source = new LineLog({ root: layout.root, path: layout.uses, writable: false });
  const lines = [...source.readSound()];
  if (lines.length === 0) return removeIfThere(fileSystem, path);
  const target = new LineLog({ root, path, writable: true, fileSystem });
  target.readAll();
  target.replace(lines);
}

function toLostError(layout: BagLayout, { name }: SegmentEntry): BagCorruptError {
  const path = toSegmentPath(layout, name);
  return new BagCorruptError(
    `Cannot back up "${layout.root}": "${path}" is missing; the backup is as it was: restore the file ` +
      "from there, or repair the bag with verifyBag(path, { repair: true })",
    path,
    0,
  );
}

async function commit(
  target: BackupTarget,
  { manifest, source, journals, log }: Found,
  id: string | undefined,
  copier: FileCopier,
): Promise<number> {
  target.announce({ id, generation: source.generation, log: log.log });
  if (target.isWhole) await target.unite(manifest);
  await log.bring(target, copier);
  await target.commit(manifest);
  return await target.tidy(journals, log.log);
}

/**
 * Keeps others from changing what is live, unless somebody who does so is stopped: then nobody does.
 *
 * @param fileSystem What makes files in the bag; it may not be written to, if not given.
 */
async function takeLock(
  layout: BagLayout,
  fileSystem: FileSystem | undefined,
  signal: AbortSignal | undefined,
): Promise<Disposable | undefined> {
  const end = performance.now() + PATIENCE;
  const { lock } = await waitUntil(() => {
    const lock = fileSystem === undefined
      ? FoldLock.tryHold(layout)
      : FoldLock.tryTake(fileSystem, layout);
    return (lock !== undefined || performance.now() > end) && { lock };
  }, signal);
  return lock;
}

function toPause(
  signal: AbortSignal | undefined,
  progress: BackupOptions["progress"],
): (state: BackupProgress) => Promise<void> {
  const giveWay = createPause();
  let told = performance.now();
  return async (state) => {
    await giveWay();
    signal?.throwIfAborted();
    if (performance.now() - told < PROGRESS_INTERVAL) return;
    told = performance.now();
    progress?.update(state);
  };
}
