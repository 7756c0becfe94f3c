/**
 * Where everything in a bag lies. `FORMAT.md`, beside this file, is the one specification of what
 * stands there; the file of an export is specified in `src/store/exchange/export_bag.ts`.
 *
 * @module
 */
import { BagCorruptError } from "../base/errors.ts";
import { ifThere, lookAt, makingRoom } from "./file_system.ts";

/** What lies where in the directory of a bag. */
const PATHS = {
  /** Format and version. */
  bagJson: "bag.json",
  /** Which segments are live. */
  manifest: "manifest.json",
  /** What the bag is known by to its backups; there is none before the first one. */
  id: "id",
  /** What makes the directory a backup of a bag; a bag that is none has no such file. */
  backupJson: "backup.json",
  /** The call log. */
  callLog: "calls.jsonl",
  /** The table of the call log's sealed prefix. */
  callIndex: "calls.index",
  /** What files were when they were hashed. */
  fileDigests: "files.jsonl",
  /** The newest failures of calls. */
  failures: "failures.jsonl",
  /** Who has used which call, and when. */
  uses: "uses.jsonl",
  /** The file that HDF5 tools open. */
  linkFile: "values.h5",
  /** The directory of sealed segments. */
  segments: "segments",
  /** The directory of journals. */
  journals: "journal",
  /** The directory of leases. */
  leases: "leases",
  /** The directory of touches. */
  touches: "touches",
  /** The directory of locks. */
  locks: "locks",
  /** The directory of what repairs took away. */
  quarantine: "quarantine",
  /** Held by whoever folds. */
  foldLock: "locks/fold.lock",
  /** Held shared while a line is appended to the call log. */
  callsLock: "locks/calls.lock",
  /** Held shared while a touch is left, exclusively while values are dropped. */
  sweepLock: "locks/sweep.lock",
};

/** The paths of one bag: its directory, absolute, and all that is in it. */
export type BagLayout = { readonly root: string } & Readonly<typeof PATHS>;

/**
 * Names the files of a bag.
 *
 * @param root The bag's directory, absolute.
 */
export function toLayout(root: string): BagLayout {
  const layout = { root, ...PATHS };
  for (const [name, path] of Object.entries(PATHS)) {
    Object.assign(layout, { [name]: `${root}/${path}` });
  }
  return layout;
}

/** The directories of a bag below its own, of which only the last may be missing; none may be a link. */
export function directoriesOf(layout: BagLayout): readonly string[] {
  const { segments, journals, leases, touches, locks, quarantine } = layout;
  return [segments, journals, leases, touches, locks, quarantine];
}

/** The files of a bag that have a name of their own; none may be a link. */
export function filesOf(layout: BagLayout): readonly string[] {
  const { bagJson, id, backupJson, manifest, callLog, callIndex, linkFile } = layout;
  const { fileDigests, failures, uses } = layout;
  const own = [bagJson, id, backupJson, manifest, callLog, callIndex, linkFile];
  return [...own, fileDigests, failures, uses, ...locksOf(layout)];
}

/** The files of a bag that are only ever locked. */
export function locksOf({ foldLock, callsLock, sweepLock }: BagLayout): readonly string[] {
  return [foldLock, callsLock, sweepLock];
}

const SEGMENT_NAME_LENGTH = 6;

/**
 * Names a segment.
 *
 * @param number The number of the segment.
 * @returns Its name, such that names of a usual bag sort as their numbers do.
 */
export function toSegmentName(number: number): string {
  return `${number}`.padStart(SEGMENT_NAME_LENGTH, "0");
}

/** Names a segment's HDF5 file. */
export function toSegmentPath(layout: BagLayout, segment: string): string {
  return `${layout.segments}/${segment}.h5`;
}

/** Names a segment's table. */
export function toSegmentIndexPath(layout: BagLayout, segment: string): string {
  return `${layout.segments}/${segment}.index`;
}

/** Names both files of a segment. */
export function toSegmentPaths(layout: BagLayout, segment: string): [file: string, table: string] {
  return [toSegmentPath(layout, segment), toSegmentIndexPath(layout, segment)];
}

/** Names a journal. */
export function toJournalPath(layout: BagLayout, journal: string): string {
  return `${layout.journals}/${journal}`;
}

/** What the writer of journals names them. Any other name could be one that objects have anyway. */
const JOURNAL_REGEXP = /^[0-9a-f]{16}-\d+$/;

/** Lists the journals of a bag. Links, directories and files of others are left out. */
export function listJournals(layout: BagLayout): string[] {
  return listEntries(layout.journals)
    .filter((entry) => entry.isFile && JOURNAL_REGEXP.test(entry.name))
    .map((entry) => entry.name);
}

/**
 * Lists what is in a directory below that of a cache.
 *
 * @returns The entries in the order of their names; none when there is no such directory.
 * @throws {BagCorruptError} If it is a symbolic link, as somebody may have made it since the cache was
 * opened: what is listed is written to and removed.
 */
export function listEntries(directory: string): Deno.DirEntry[] {
  if (lookAt(directory)?.isSymlink === true) {
    throw new BagCorruptError(
      `Cannot list "${directory}": it is a symbolic link, which a cache never follows; put the ` +
        "directory itself there, or make the whole cache a link",
      directory,
      0,
    );
  }
  return listRoot(directory);
}

/**
 * Lists what is in the directory of a cache, which may be a link.
 *
 * @returns The entries in the order of their names; none when there is no such directory.
 */
export function listRoot(directory: string): Deno.DirEntry[] {
  const entries = ifThere(() => makingRoom(() => Array.from(Deno.readDirSync(directory)))) ?? [];
  return entries.sort((a, b) => a.name < b.name ? -1 : 1);
}

/**
 * Lists the names in a directory of a bag.
 *
 * @returns The names in order; none when there is no such directory.
 */
export function listNames(directory: string): string[] {
  return listEntries(directory).map((entry) => entry.name);
}
