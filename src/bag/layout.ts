/**
 * Where everything in a bag lies.
 *
 * ```text
 * results.bag/
 *   bag.json              format and version; written once
 *   manifest.json         live segments, sealed ends of journals; replaced by rename: the switch
 *   calls.jsonl           the call log: one JSON record a line, append-only
 *   calls.index           sorted table key -> (offset, length) for a prefix of calls.jsonl
 *   values.h5             front door for HDF5 tools: /segments/<n> links to that segment's /values
 *   segments/<n>.h5       sealed, immutable: a dataset an array, and the rest packed
 *   segments/<n>.index    sorted table digest -> (offset, length, kind, checksum)
 *   journal/<writer>-<k>  acknowledged values that are not sealed yet
 *   leases/<key>          who is computing what
 *   locks/                fold.lock, calls.lock
 * ```
 *
 * Numbers are little-endian everywhere. The formats are specified where they are written: the
 * journal in `journal_format.ts`, a line of the log in `call_line.ts`, both tables in
 * `digest_table.ts`, what follows the rows of a segment's table in `payload_details.ts`, a segment in
 * `segment_format.ts`. The file of an export is specified in `src/store/export_bag.ts`.
 *
 * @module
 */

/** The paths of one bag. */
export interface BagLayout {
  /** The bag's directory, absolute. */
  readonly root: string;
  /** Format and version. */
  readonly bagJson: string;
  /** Which segments are live. */
  readonly manifest: string;
  /** The call log. */
  readonly callLog: string;
  /** The table of the call log's sealed prefix. */
  readonly callIndex: string;
  /** The file that HDF5 tools open. */
  readonly frontDoor: string;
  /** The directory of sealed segments. */
  readonly segments: string;
  /** The directory of journals. */
  readonly journals: string;
  /** The directory of leases. */
  readonly leases: string;
  /** The directory of locks. */
  readonly locks: string;
  /** Held by whoever folds. */
  readonly foldLock: string;
  /** Held shared while a line is appended to the call log. */
  readonly callsLock: string;
}

/**
 * Names the files of a bag.
 *
 * @param root The bag's directory, absolute.
 * @returns The paths.
 */
export function toLayout(root: string): BagLayout {
  return {
    root,
    bagJson: `${root}/bag.json`,
    manifest: `${root}/manifest.json`,
    callLog: `${root}/calls.jsonl`,
    callIndex: `${root}/calls.index`,
    frontDoor: `${root}/values.h5`,
    segments: `${root}/segments`,
    journals: `${root}/journal`,
    leases: `${root}/leases`,
    locks: `${root}/locks`,
    foldLock: `${root}/locks/fold.lock`,
    callsLock: `${root}/locks/calls.lock`,
  };
}

/**
 * Names a segment's HDF5 file.
 *
 * @param layout The bag's paths.
 * @param segment The segment's name.
 * @returns The path.
 */
export function toSegmentPath(layout: BagLayout, segment: string): string {
  return `${layout.segments}/${segment}.h5`;
}

/**
 * Names a segment's table.
 *
 * @param layout The bag's paths.
 * @param segment The segment's name.
 * @returns The path.
 */
export function toSegmentIndexPath(layout: BagLayout, segment: string): string {
  return `${layout.segments}/${segment}.index`;
}

/**
 * Names a journal.
 *
 * @param layout The bag's paths.
 * @param journal The journal's name.
 * @returns The path.
 */
export function toJournalPath(layout: BagLayout, journal: string): string {
  return `${layout.journals}/${journal}`;
}

/**
 * Lists the files in a directory of a bag.
 *
 * @param directory The directory.
 * @returns The names in order; none when there is no such directory.
 */
export function listNames(directory: string): string[] {
  try {
    return Array.from(Deno.readDirSync(directory), (entry) => entry.name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
