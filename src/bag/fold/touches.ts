/**
 * Touches: which known values were put again, and when.
 *
 * A value that is known already is not written again, so nothing in the bag would tell that somebody
 * wants it anew. Whoever sweeps could drop it between that put and the record that will name it.
 * So each such put leaves a touch, a line in a file of its writer that `FORMAT.md` specifies
 * ("Touches").
 *
 * A touch is left under a *shared* `sweep.lock`, and only if the value is in what the newest
 * manifest names. Values are dropped under the *exclusive* one, after a look at all touches. So
 * either the touch is there before, and the value stays; or the value is gone before, and is
 * written anew.
 *
 * @module
 */
import { sleep } from "../../base/abortable.ts";
import { decodeCheckedLine, encodeCheckedLine } from "../../disk/checked_line.ts";
import {
  type FileSystem,
  isLocked,
  openIfThere,
  readWhole,
  removeIfThere,
  writeAll,
} from "../../disk/file_system.ts";
import { type BagLayout, listNames } from "../../disk/layout.ts";
import type { Digest } from "../../value/value.ts";

/** For so long one touch of a value stands for all of its writer, in milliseconds. */
const TOUCH_INTERVAL = 1000;

/** How far the clock that files get their times from may lag behind, in milliseconds. */
const CLOCK_LAG = 20;

/** A file of touches that has become larger than this is left for a new one. */
const FILE_BYTES = 1024 * 1024;

/** How many touches a writer remembers. */
const REMEMBERED = 8192;

/** Touches this old serve nobody but a longer grace period, in milliseconds. */
const KEPT = 24 * 60 * 60 * 1000;

/** What writers name their files of touches. */
const NAME_REGEXP = /^[0-9a-f]{16}-\d+$/;

const LINE_FEED = 0x0a;

/** Leaves the touches of one writer. */
export class Touches implements Disposable {
  readonly #fileSystem: FileSystem;
  readonly #layout: BagLayout;
  readonly #writer: string = crypto.randomUUID().replaceAll("-", "").slice(0, 16);
  readonly #left = new Map<Digest, number>();
  #lock: Deno.FsFile | undefined;
  #file: Deno.FsFile | undefined;
  #count = 0;

  /** Creates it; no file is made before the first touch. */
  constructor(fileSystem: FileSystem, layout: BagLayout) {
    this.#fileSystem = fileSystem;
    this.#layout = layout;
  }

  /**
   * Leaves a touch of a value, unless this writer has just done so.
   *
   * @param digest The digest of the value.
   * @param isThere Whether the newest manifest or a journal has the value; asked under the lock.
   * @param at When it was put, in milliseconds since 1970.
   * @returns Whether the value stays; if not, it has to be written anew.
   */
  leave(digest: Digest, isThere: () => boolean, at: number = Date.now()): boolean {
    const before = this.#left.get(digest);
    if (before !== undefined && Math.abs(at - before) < TOUCH_INTERVAL) return true;
    this.#lock ??= openSweepLock(this.#fileSystem, this.#layout);
    this.#lock.lockSync(false);
    try {
      if (!isThere()) return false;
      const text = JSON.stringify({ touch: digest, at }).slice(0, -1);
      writeAll(this.#fileSystem, this.#open(), encodeCheckedLine(text));
    } finally {
      this.#lock.unlockSync();
    }
    if (this.#left.size >= REMEMBERED) this.#left.clear();
    this.#left.set(digest, at);
    return true;
  }

  /** A file that others have removed for its age is not written to any more. */
  #open(): Deno.FsFile {
    if (this.#file !== undefined) {
      const { nlink, size } = this.#file.statSync();
      if (nlink !== 0 && size < FILE_BYTES) return this.#file;
      this.#file.close();
      this.#file = undefined;
    }
    const path = `${this.#layout.touches}/${this.#writer}-${++this.#count}`;
    this.#file = this.#fileSystem.open(path, { append: true, createNew: true });
    return this.#file;
  }

  /** Lets go of the files. */
  [Symbol.dispose](): void {
    this.#file?.close();
    this.#lock?.close();
    this.#file = undefined;
    this.#lock = undefined;
  }
}

/**
 * Opens the lock that is held shared while a touch is left.
 *
 * @returns The file, not locked yet.
 */
export function openSweepLock(fileSystem: FileSystem, layout: BagLayout): Deno.FsFile {
  return fileSystem.open(layout.sweepLock, { read: true, write: true, create: true });
}

/**
 * Tells which values were put again.
 *
 * @param horizon Since when, in milliseconds since 1970.
 */
export function readTouches(layout: BagLayout, horizon: number): Set<Digest> {
  const touched = new Set<Digest>();
  // One touch stands for later puts of the same writer.
  const since = horizon - TOUCH_INTERVAL - CLOCK_LAG;
  for (const path of listTouches(layout)) {
    if (toTime(path) < since) continue;
    for (const line of linesOf(readWhole(path) ?? new Uint8Array())) {
      const { touch, at } = decodeCheckedLine(line) ?? {};
      if (typeof touch === "string" && typeof at === "number" && at > since) touched.add(touch);
    }
  }
  return touched;
}

/**
 * Removes touches that are too old to keep anything.
 *
 * @param horizon Before when no call in flight has begun, in milliseconds since 1970.
 */
export function clearTouches(fileSystem: FileSystem, layout: BagLayout, horizon: number): void {
  const before = Math.min(horizon, Date.now() - KEPT) - TOUCH_INTERVAL - CLOCK_LAG;
  const old = listTouches(layout).filter((path) => toTime(path) < before);
  if (old.length === 0) return;
  using lock = openSweepLock(fileSystem, layout);
  if (!lock.tryLockSync(true)) return;
  for (const path of old) if (toTime(path) < before) removeIfThere(fileSystem, path);
  lock.unlockSync();
}

/** The paths of all touches; files of others are left out. */
function listTouches(layout: BagLayout): string[] {
  return listNames(layout.touches).filter((name) => NAME_REGEXP.test(name))
    .map((name) => `${layout.touches}/${name}`);
}

/** When a file was last written to; long ago when it is gone. */
function toTime(path: string): number {
  using file = openIfThere(path);
  return file?.statSync().mtime?.getTime() ?? 0;
}

function* linesOf(bytes: Uint8Array): Generator<Uint8Array> {
  let at = 0;
  for (let feed = bytes.indexOf(LINE_FEED); feed !== -1; feed = bytes.indexOf(LINE_FEED, at)) {
    if (feed > at) yield bytes.subarray(at, feed);
    at = feed + 1;
  }
}

/**
 * Finds the horizon of a sweep: what was put up to then and is named by no record that is in the
 * log when this returns will be named by none, as far as calls under leases go.
 *
 * A call puts its values while it holds the lease of its key. Whoever holds one when this looks
 * began at the earliest when the lease's file was made, and whoever comes later puts later.
 *
 * @param gracePeriod For how long values are kept that belong to no leased call, in milliseconds.
 * @returns The horizon, in milliseconds since 1970.
 */
export async function findHorizon(layout: BagLayout, gracePeriod: number): Promise<number> {
  const horizon = Date.now() - gracePeriod;
  // So that what is put from here on is younger than the horizon by the clock of files too.
  if (gracePeriod < CLOCK_LAG) await sleep(CLOCK_LAG);
  return Math.min(horizon, findOldestLease(layout) - 1);
}

/**
 * Tells since when the oldest call in flight may have been running.
 *
 * @returns Milliseconds since 1970; infinite when no lease is held.
 */
export function findOldestLease(layout: BagLayout): number {
  let oldest = Infinity;
  for (const key of listNames(layout.leases)) {
    using file = openIfThere(`${layout.leases}/${key}`);
    if (file === undefined || !isLocked(file)) continue;
    // A lease is taken by giving a file another name (`leases.ts`), which changes only this.
    oldest = Math.min(oldest, toLeaseTime(file.statSync()));
  }
  return oldest;
}

/** A lease is no older than its file, nor than the name that took it (whose time has no fractions). */
function toLeaseTime({ ctime, mtime }: Deno.FileInfo): number {
  return Math.max(ctime?.getTime() ?? 0, mtime?.getTime() ?? 0);
}
