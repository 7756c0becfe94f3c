/**
 * Which directories a backup may be made in: a new or empty one, or an older backup of the same bag
 * that nobody has written to since. All others are left as they are.
 *
 * @module
 */
import { basename, dirname, join } from "node:path";
import { BagFormatError, QuiverError } from "../../base/errors.ts";
import { isLockedAt, lookAt, openIfThere } from "../../disk/file_system.ts";
import { type BagLayout, listJournals, listRoot, toJournalPath } from "../../disk/layout.ts";
import { checkBag } from "../bag_json.ts";
import type { Manifest } from "../manifest.ts";
import { type BackupState, readBackupState } from "./backup_json.ts";
import { findStruck, isPrefix } from "./compare_files.ts";

/** A bag that is backed up. */
export interface BackedUpBag {
  /** Its paths. */
  readonly layout: BagLayout;
  /** Where it is, links followed. */
  readonly path: string;
  /** What it is known by to its backups, if it is. */
  readonly id: string | undefined;
  /** What is live in it. */
  readonly manifest: Manifest;
}

/** What a process leaves that died before it said what the directory is to be. */
const BEGINNING_REGEXP = /^(locks|backup\.json\..*\.tmp)$/;

/**
 * Refuses a directory that lies in the bag, or the bag in it.
 *
 * @param directory The directory, there or not.
 * @throws {QuiverError} If so.
 */
export function refuseOverlap(bag: string, directory: string): void {
  const where = isWithin(directory, bag)
    ? `it is the bag "${bag}", or lies in it`
    : isWithin(bag, directory)
    ? `the bag "${bag}" lies in it`
    : undefined;
  if (where === undefined) return;
  throw new QuiverError(
    `Cannot back up into "${directory}": ${where}; choose a directory beside it, better on another disk`,
  );
}

/** Tells whether a path is another one, or below it, whatever links lead there. */
function isWithin(path: string, other: string): boolean {
  const top = stat(other);
  if (top === undefined) return false;
  for (let at = toRealPath(path);; at = dirname(at)) {
    const there = stat(at);
    if (
      there !== undefined && there.ino !== null && there.ino === top.ino && there.dev === top.dev
    ) {
      return true;
    }
    if (at === toRealPath(other)) return true;
    if (at === dirname(at)) return false;
  }
}

/** What is there, as far as it may be looked at: what may not is no part of a bag that may be read. */
function stat(path: string): Deno.FileInfo | undefined {
  return attempt(() => Deno.statSync(path));
}

/** Follows the links of as much of a path as there is. */
function toRealPath(path: string): string {
  const real = attempt(() => Deno.realPathSync(path));
  if (real !== undefined || path === dirname(path)) return real ?? path;
  return join(toRealPath(dirname(path)), basename(path));
}

function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    const { NotCapable, NotFound, PermissionDenied } = Deno.errors;
    if ([NotCapable, NotFound, PermissionDenied].some((kind) => error instanceof kind)) {
      return undefined;
    }
    throw error;
  }
}

/**
 * Refuses a directory that is neither empty nor a backup of the bag.
 *
 * @param target The directory, there or not.
 * @returns What it is a backup of; `undefined` if it is empty.
 * @throws {BagFormatError} If it is something else, or of another bag or version.
 */
export function checkIsBackup(target: BagLayout, bag: BackedUpBag): BackupState | undefined {
  const state = readBackupState(target);
  if (state !== undefined) {
    checkIsOf(target, state, bag);
    return state;
  }
  const foreign = listRoot(target.root).find(({ name }) => !BEGINNING_REGEXP.test(name))?.name;
  if (foreign === undefined) return undefined;
  throw refuse(
    target,
    `it holds "${foreign}" and is no backup; choose a directory that is missing or empty`,
  );
}

function checkIsOf(
  target: BagLayout,
  state: BackupState,
  { id, path, manifest }: BackedUpBag,
): void {
  // A bag that could not be written to is known by its place.
  const isSame = state.bag === undefined ? state.path === path : state.bag === id;
  if (!isSame) {
    throw refuse(
      target,
      `it is a backup of another bag, "${state.path}"; choose another directory`,
    );
  }
  if (state.generation <= manifest.generation) return;
  throw refuse(
    target,
    "it is newer than the bag, which is an older copy; choose another directory, or restore what is " +
      "in this one first",
  );
}

/**
 * Refuses a backup that has been written to: what is in it alone would be lost.
 *
 * @param target The backup, complete.
 * @param targetManifest What is live in it.
 * @throws {BagFormatError} If somebody has recorded calls in it.
 * @throws {QuiverError} If somebody is writing to it.
 */
export function checkUnchanged(
  target: BagLayout,
  targetManifest: Manifest,
  { logs }: BackupState,
  { layout, manifest }: BackedUpBag,
): void {
  checkBag(target);
  const locked = listJournals(target).find((name) => isLockedAt(toJournalPath(target, name)));
  if (locked !== undefined) {
    throw new QuiverError(
      `Cannot back up into "${target.root}": it is in use, somebody has it open and writes values to ` +
        `"${toJournalPath(target, locked)}"; close it, or open backups with mode: "read"`,
    );
  }
  using log = openIfThere(target.callLog);
  const length = log?.seekSync(0, Deno.SeekMode.End) ?? 0;
  const isOurs = logs.some(({ generation }) => generation === targetManifest.logGeneration) &&
    logs.some((known) => length <= known.length);
  if (!isOurs) {
    throw refuse(
      target,
      "somebody has used it as a bag, and recorded or forgotten calls in it or compacted it; choose " +
        'another directory, and open backups with mode: "read"',
    );
  }
  const { logGeneration } = manifest;
  if (targetManifest.logGeneration !== logGeneration) return;
  using original = openIfThere(layout.callLog);
  const recorded = logs.find(({ generation }) => generation === logGeneration)?.length ?? 0;
  const size = original?.seekSync(0, Deno.SeekMode.End) ?? 0;
  const isBegin = log === undefined ||
    isPrefix(log, original, length, findStruck(original, log, length));
  if (size >= recorded && isBegin) return;
  throw refuse(
    target,
    "its call log is not how that of the bag begins, so that one of them was changed otherwise than " +
      "by a backup; choose another directory",
  );
}

/** Tells whether a backup was complete once: from then on it can be opened at any moment. */
export function isWhole(target: BagLayout): boolean {
  return lookAt(target.bagJson) !== undefined;
}

function refuse({ root }: BagLayout, state: string): BagFormatError {
  return new BagFormatError(`Cannot back up into "${root}": ${state}`);
}
