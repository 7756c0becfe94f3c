/**
 * `manifest.json`: which segments are live, and how far journals are sealed. `FORMAT.md` specifies
 * the fields.
 *
 * Replacing it by rename is the one switch that makes a fold visible. A bag without one has no
 * segments.
 *
 * @module
 */
import { BagCorruptError } from "../base/errors.ts";
import { type QuiverWarning, writeWarning } from "../base/warning.ts";
import { decodeCheckedLine, encodeCheckedLine } from "../disk/checked_line.ts";
import { guardBag } from "../disk/disk_storage.ts";
import {
  type FileSystem,
  isMissing,
  openIfThere,
  readWhole,
  replaceFile,
} from "../disk/file_system.ts";
import { type BagLayout, listNames } from "../disk/layout.ts";
import { waitUntil } from "../disk/leases.ts";
import { LockFile, readHolder } from "../disk/lock_file.ts";

/** A manifest has a hundred bytes for each segment and journal. */
const LARGEST_BYTES = 16 * 1024 * 1024;

/** After how long a wait for who folds is warned of, in milliseconds. */
const PATIENCE = 30_000;

/** A segment has a million values in 1 GiB, and a few more from what was merged with it. */
const MOST_VALUES = 2 ** 32;
const MOST_BYTES = 2 ** 50;

/** The number of a segment is one that counts how often segments were made: there are more to come. */
const NAME_REGEXP = /^\d{1,14}$/;
const MOST_SEGMENTS = 10 ** 14;

/** So often no manifest was replaced, nor a log; a checksum is made of the latter. */
const MOST_GENERATIONS = 2 ** 52;
const MOST_LOGS = 2 ** 31;

/** A live segment. */
export interface SegmentEntry {
  /** The segment's name, which is its number. */
  readonly name: string;
  /** How many values it holds. */
  readonly values: number;
  /** Their payload in bytes. */
  readonly bytes: number;
  /** When the last of them was put at the latest, in milliseconds since 1970. */
  readonly newest?: number;
}

/** What is live in a bag. */
export interface Manifest {
  /** Grows with each switch. */
  readonly generation: number;
  /** The number of the next segment; numbers are never used twice. */
  readonly nextSegment: number;
  /** The generation of the call log; another one means another file under the same name. */
  readonly logGeneration: number;
  /** The live segments, oldest first. */
  readonly segments: readonly SegmentEntry[];
  /** For journals that are still there: up to which byte their values are in segments. */
  readonly sealed: Readonly<Record<string, number>>;
  /** How often values were dropped that nobody wanted any more; absent means never. */
  readonly sweeps?: number;
}

/** The manifest of a bag in which nothing was sealed yet. */
export const EMPTY_MANIFEST: Manifest = {
  generation: 0,
  nextSegment: 1,
  logGeneration: 1,
  segments: [],
  sealed: {},
};

/**
 * Reads the manifest.
 *
 * @returns What is live now.
 * @throws {BagCorruptError} If the file is damaged; it is replaced in one step, so a crash cannot
 * do that. Likewise if it is missing while there are segments.
 */
export function readManifest(layout: BagLayout): Manifest {
  const bytes = readWhole(layout.manifest, LARGEST_BYTES);
  if (bytes === undefined) {
    if (listNames(layout.segments).length === 0) return EMPTY_MANIFEST;
    throw toCorruptError(layout, "is missing");
  }
  const content = decodeCheckedLine(bytes.subarray(1, -1));
  if (!isManifest(content)) throw toCorruptError(layout, "is damaged");
  return content;
}

/**
 * Gives a new bag its first manifest, so that a missing one always means a damaged bag.
 *
 * @throws {BagCorruptError} If the manifest of a bag with segments is missing.
 */
export async function createManifest(fileSystem: FileSystem, layout: BagLayout): Promise<void> {
  if (!isMissing(layout.manifest)) return;
  // A process that creates the same bag may be further already: the lock keeps this from undoing it.
  using _lock = await FoldLock.take(fileSystem, layout);
  if (isMissing(layout.manifest)) writeManifest(fileSystem, layout, readManifest(layout));
}

/** A segment that no manifest names is taken for what a killed fold left, and is removed. */
function toCorruptError(layout: BagLayout, state: string): BagCorruptError {
  return new BagCorruptError(
    `Cannot read "${layout.manifest}": it ${state}; make it again from what is in the bag with ` +
      "verifyBag(path, { repair: true })",
    layout.manifest,
    0,
  );
}

/**
 * Makes a manifest the live one.
 *
 * @param manifest What is live from now on.
 */
export function writeManifest(
  fileSystem: FileSystem,
  layout: BagLayout,
  manifest: Manifest,
): void {
  // Somebody has written counts into it that are the last ones.
  if (!isManifest(manifest)) throw toCorruptError(layout, "has no number left");
  const text = JSON.stringify(manifest).slice(0, -1);
  replaceFile(fileSystem, layout.manifest, [encodeCheckedLine(text)]);
  fileSystem.syncDirectory(layout.root);
}

/**
 * Tells which number the next segment gets: whatever the manifest says, none that would put it in the
 * place of one that is live.
 */
export function toNextSegment({ nextSegment, segments }: Manifest): number {
  return segments.reduce((next, { name }) => Math.max(next, Number(name) + 1), nextSegment);
}

/** Tells whether a manifest can be replaced as often as anybody will: any but one that is made up. */
export function hasRoom({ generation, nextSegment, logGeneration }: Manifest): boolean {
  return Math.max(generation / MOST_GENERATIONS, nextSegment / MOST_SEGMENTS) < 0.5 &&
    logGeneration / MOST_LOGS < 0.5;
}

function isManifest(content: unknown): content is Manifest {
  return isObject(content) && isCount(content.generation, MOST_GENERATIONS) &&
    isCount(content.nextSegment, MOST_SEGMENTS) && isCount(content.logGeneration, MOST_LOGS) &&
    Array.isArray(content.segments) &&
    content.segments.every(isSegmentEntry) &&
    new Set(content.segments.map(({ name }) => Number(name))).size === content.segments.length &&
    isObject(content.sealed) &&
    Object.values(content.sealed).every((count) => isCount(count)) &&
    (content.sweeps === undefined || isCount(content.sweeps, MOST_GENERATIONS));
}

function isSegmentEntry(content: unknown): content is SegmentEntry {
  // The name becomes part of a path.
  return isObject(content) && typeof content.name === "string" && NAME_REGEXP.test(content.name) &&
    isCount(content.values, MOST_VALUES) && isCount(content.bytes, MOST_BYTES) &&
    (content.newest === undefined || isCount(content.newest));
}

function isObject(content: unknown): content is Record<string, unknown> {
  return typeof content === "object" && content !== null && !Array.isArray(content);
}

function isCount(content: unknown, most: number = Number.MAX_SAFE_INTEGER): boolean {
  return typeof content === "number" && Number.isSafeInteger(content) && content >= 0 &&
    content <= most;
}

/** When somebody is told of a wait for a lock. */
interface LockPatience {
  readonly patience: number;
  readonly warn: (warning: QuiverWarning) => void;
}

/** The right to change segments and the manifest; one holder at a time. */
export class FoldLock implements Disposable {
  readonly #held: Disposable | undefined;

  private constructor(held: Disposable | undefined) {
    this.#held = held;
  }

  /**
   * Takes the lock if it is free.
   *
   * @returns The lock, or `undefined` when another folds.
   */
  static tryTake(fileSystem: FileSystem, layout: BagLayout): FoldLock | undefined {
    const lock = new LockFile(fileSystem, layout.foldLock, guardBag(layout, "readwrite"));
    if (lock.tryLock()) return new FoldLock(lock);
    lock[Symbol.dispose]();
    return undefined;
  }

  /**
   * Takes the lock, after whoever holds it: a large bag is folded for minutes, so it is waited for
   * without end. But that one may be stopped, so a long wait is warned of, once.
   *
   * @param patience After how long, in milliseconds.
   * @param warn Told of it.
   */
  static async take(
    fileSystem: FileSystem,
    layout: BagLayout,
    { patience, warn }: LockPatience = { patience: PATIENCE, warn: writeWarning },
  ): Promise<FoldLock> {
    const lock = new LockFile(fileSystem, layout.foldLock, guardBag(layout, "readwrite"));
    let overdue = performance.now() + patience;
    await waitUntil(() => {
      if (lock.tryLock()) return true;
      if (performance.now() < overdue) return false;
      overdue = Infinity;
      warn({
        message: `Waiting for "${layout.foldLock}", which has been held for ${patience} ms by ` +
          `${readHolder(layout.foldLock)}; if that is stopped, let it go on or end it`,
      });
      return false;
    });
    return new FoldLock(lock);
  }

  /**
   * Takes the lock if it is free, in a bag that may not be written to.
   *
   * @returns The lock, or `undefined` when somebody folds. Where there is no file to lock, as in a
   * copy of a bag, nobody folds.
   */
  static tryHold(layout: BagLayout): FoldLock | undefined {
    const file = openIfThere(layout.foldLock);
    if (file === undefined || file.tryLockSync(true)) return new FoldLock(file);
    file.close();
    return undefined;
  }

  /** Frees the lock. */
  [Symbol.dispose](): void {
    this.#held?.[Symbol.dispose]();
  }
}
