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
import { decodeCheckedLine, encodeCheckedLine } from "../../disk/checked_line.ts";
import { guardBag } from "../../disk/disk_storage.ts";
import { CLOCK_LAG, setBack, toWriteTime } from "../../disk/file_clock.ts";
import {
  type FileIdentity,
  type FileSystem,
  isSameFile,
  lookAt,
  openIfThere,
  readWhole,
  removeIfThere,
  writeAll,
} from "../../disk/file_system.ts";
import { type BagLayout, listNames } from "../../disk/layout.ts";
import { LockFile } from "../../disk/lock_file.ts";
import type { MaybePromise } from "../../disk/stores.ts";
import type { Digest } from "../../value/value.ts";

/** For so long one touch of a value stands for all of its writer, in milliseconds. */
export const TOUCH_INTERVAL = 1000;

/** A file of touches that has become larger than this is left for a new one. */
const FILE_BYTES = 1024 * 1024;

/** How many touches a writer remembers. */
const REMEMBERED = 8192;

/** Touches this old serve nobody but a longer grace period, in milliseconds. */
const KEPT = 24 * 60 * 60 * 1000;

/** What writers name their files of touches. */
const NAME_REGEXP = /^[0-9a-f]{16}-\d+$/;

const LINE_FEED = 0x0a;

/** The file that a writer leaves touches in. */
interface TouchFile extends FileIdentity {
  readonly path: string;
  readonly file: Deno.FsFile;
}

/** What time it was by the clock of files, and by one that nobody sets. */
interface ClockReading {
  readonly time: number;
  readonly read: number;
}

/** Leaves the touches of one writer. */
export class Touches implements Disposable {
  readonly #fileSystem: FileSystem;
  readonly #layout: BagLayout;
  readonly #writer: string = crypto.randomUUID().replaceAll("-", "").slice(0, 16);
  readonly #left = new Map<Digest, number>();
  readonly #lock: LockFile;
  #open: TouchFile | undefined;
  #clock: ClockReading | undefined;
  #count = 0;

  /** Creates it; no file is made before the first touch. */
  constructor(fileSystem: FileSystem, layout: BagLayout) {
    this.#fileSystem = fileSystem;
    this.#layout = layout;
    this.#lock = new LockFile(fileSystem, layout.sweepLock, guardBag(layout, "readwrite"));
  }

  /**
   * Leaves a touch of a value, unless this writer has just done so.
   *
   * @param digest The digest of the value.
   * @param isThere Whether the newest manifest or a journal has the value; asked under the lock.
   * @param at When it was put, by the clock of files in milliseconds since 1970; now, if not given.
   * @returns Whether the value stays; if not, it has to be written anew. A promise while values are
   * being dropped.
   */
  leave(digest: Digest, isThere: () => boolean, at?: number): MaybePromise<boolean> {
    const before = this.#left.get(digest);
    const about = at ?? this.#now();
    if (before !== undefined && Math.abs(about - before) < TOUCH_INTERVAL) return true;
    return this.#lock.share(() => {
      if (!isThere()) return false;
      this.#write(digest, about);
      // The file tells whether it was that time, if that of a sleeping machine or another clock was not.
      if (at === undefined && this.#isOff(about)) this.#write(digest, this.#now());
      if (this.#left.size >= REMEMBERED) this.#left.clear();
      this.#left.set(digest, at ?? this.#now());
      return true;
    });
  }

  #write(digest: Digest, at: number): void {
    const text = JSON.stringify({ touch: digest, at }).slice(0, -1);
    writeAll(this.#fileSystem, this.#openFile(), encodeCheckedLine(text));
  }

  /** About now by the clock of files. */
  #now(): number {
    const { time, read } = this.#clock ?? { time: Date.now(), read: performance.now() };
    return Math.round(time + performance.now() - read);
  }

  /** Whether it is another time by the clock of files, which is read anew then. */
  #isOff(about: number): boolean {
    if (this.#open === undefined) return false;
    const time = toWriteTime(this.#open.file);
    if (this.#clock !== undefined && Math.abs(time - about) < CLOCK_LAG) return false;
    this.#clock = { time, read: performance.now() };
    return Math.abs(time - about) >= CLOCK_LAG;
  }

  /** A file that others have removed for its age is not written to any more. */
  #openFile(): Deno.FsFile {
    const open = this.#open;
    if (open !== undefined) {
      const isFull = open.file.seekSync(0, Deno.SeekMode.End) >= FILE_BYTES;
      if (!isFull && isSameFile(open.path, open)) return open.file;
      open.file.close();
      this.#open = undefined;
    }
    const path = `${this.#layout.touches}/${this.#writer}-${++this.#count}`;
    const file = this.#fileSystem.open(path, { append: true, createNew: true });
    const { dev, ino } = file.statSync();
    this.#open = { path, file, dev, ino };
    return file;
  }

  /** Lets go of the files. */
  [Symbol.dispose](): void {
    this.#open?.file.close();
    this.#open = undefined;
    this.#lock[Symbol.dispose]();
  }
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
    // One that is larger was written by nobody of ours.
    if ((lookAt(path)?.size ?? 0) > 2 * FILE_BYTES) continue;
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
 * @param readClock Tells the time by the clock of files. Touches from after that are old in due time, too.
 */
export function clearTouches(
  fileSystem: FileSystem,
  layout: BagLayout,
  horizon: number,
  readClock: () => number,
): void {
  if (listTouches(layout).length === 0) return;
  const now = readClock();
  const before = Math.min(horizon, now - KEPT) - TOUCH_INTERVAL - CLOCK_LAG;
  for (const path of listTouches(layout)) if (toTime(path) > now + CLOCK_LAG) setBack(path, now);
  const old = listTouches(layout).filter((path) => toTime(path) < before);
  if (old.length === 0) return;
  using lock = new LockFile(fileSystem, layout.sweepLock, guardBag(layout, "readwrite"));
  if (!lock.tryLock()) return;
  for (const path of old) if (toTime(path) < before) removeIfThere(fileSystem, path);
}

/** The paths of all touches; files of others are left out. */
function listTouches(layout: BagLayout): string[] {
  return listNames(layout.touches).filter((name) => NAME_REGEXP.test(name))
    .map((name) => `${layout.touches}/${name}`);
}

/** When a file was last written to; long ago when it is gone. */
function toTime(path: string): number {
  using file = openIfThere(path);
  return file === undefined ? 0 : toWriteTime(file);
}

function* linesOf(bytes: Uint8Array): Generator<Uint8Array> {
  let at = 0;
  for (let feed = bytes.indexOf(LINE_FEED); feed !== -1; feed = bytes.indexOf(LINE_FEED, at)) {
    if (feed > at) yield bytes.subarray(at, feed);
    at = feed + 1;
  }
}
