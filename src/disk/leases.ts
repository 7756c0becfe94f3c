import { sleep } from "../base/abortable.ts";
import { QuiverError } from "../base/errors.ts";
import type { Digest } from "../value/value.ts";
import { decodeCheckedLine, encodeCheckedLine } from "./checked_line.ts";
import { type CacheGuard, isDigest } from "./disk_storage.ts";
import { CLOCK_LAG, readFileClock } from "./file_clock.ts";
import {
  type FileSystem,
  ifThere,
  isLocked,
  isLockedAt,
  isSameFile,
  openIfThere,
  openShared,
  readPiece,
  removeIfThere,
  writeAll,
} from "./file_system.ts";
import { findOldestLease } from "./horizon.ts";
import { type BagLayout, listEntries } from "./layout.ts";
import {
  abandonOwnFile,
  clearOwnFiles,
  createOwnFile,
  listOwnFiles,
  type OwnFile,
  type OwnFileLayout,
} from "./own_file.ts";
import type { Lease, LeaseStore, WaitBoard } from "./stores.ts";

/** Where lease files lie. */
type LeaseLayout = Pick<BagLayout, "leases">;

/** What leases on disk need to know. */
export interface DiskLeasesOptions {
  /** The seam. */
  readonly fileSystem: FileSystem;
  /** Where lease files lie, and the own files of handles. */
  readonly layout: LeaseLayout & OwnFileLayout;
  /** Says what may be done. */
  readonly guard: CacheGuard;
  /** What two that give the same leases have in common. */
  readonly place: string;
}

/** How many files are kept for the next leases. */
const KEPT_FILES = 16;

/**
 * The leases of one handle.
 *
 * A lease is held by whoever holds the lock of the file that has the key's name in `leases/`. A
 * handle keeps files of its own in `locks/`, locked all the time, and takes a lease by giving one of
 * them the key as a second name: a link never replaces what is there, so only one can succeed. To
 * free the lease is to remove that name; two names of one file cost half of what a new file and its
 * lock cost. A file has one key at a time, so that a lease which a killed holder left behind can be
 * taken over by its lock alone.
 */
export class DiskLeases implements LeaseStore, Disposable {
  readonly place: string;
  readonly board: WaitNotes;
  readonly #options: DiskLeasesOptions;
  /** Locked files that have no key now; `undefined` once they were let go of. */
  #idle: OwnFile[] | undefined = [];

  /**
   * Creates it; no file is made before the first lease.
   *
   * @param options What it needs to know.
   */
  constructor(options: DiskLeasesOptions) {
    this.#options = options;
    this.place = options.place;
    this.board = new WaitNotes(options);
  }

  /**
   * Takes the lease of a key if it is free.
   *
   * @param key The key of the call: 64 lower-case hexadecimal characters.
   * @returns The lease, or `undefined` when somebody holds it, or has just looked at it. A lease
   * that outlives the cache stays held until it is disposed.
   */
  tryAcquire(key: Digest): Lease | undefined {
    const { fileSystem, layout, guard } = this.#options;
    guard.checkWritable("take a lease in");
    const path = toLeasePath(layout, key);
    try {
      return this.#take(path, key);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    guard.checkThere();
    // Somebody has cleared away the directories.
    fileSystem.makeDirectory(layout.leases);
    fileSystem.makeDirectory(layout.locks);
    return this.#take(path, key);
  }

  #take(path: string, key: Digest): Lease | undefined {
    const { fileSystem, layout } = this.#options;
    const own = this.#idle?.pop() ?? createOwnFile(fileSystem, layout, "lease");
    try {
      // So that it says since when it is held, and nothing of the keys that it had before.
      clear(fileSystem, own.file);
      fileSystem.link(own.path, path);
    } catch {
      // Somebody holds the key, or has left it behind; or files cannot have two names here, as on a
      // FAT disk. What else is wrong shows when the file itself is opened.
      if (isSameFile(own.path, own)) this.#putBack(own);
      else own.file.close();
      return tryLock(fileSystem, path, key);
    }
    return new FileLease(key, own.file, () => this.#free(path, own));
  }

  /** As the interface says, by the clock of files. */
  age(): number {
    const { fileSystem, layout } = this.#options;
    const oldest = findOldestLease(layout);
    if (oldest === Infinity) return 0;
    const age = readFileClock(fileSystem, layout) - oldest + CLOCK_LAG;
    // One from the future was taken nobody knows when.
    return age < 0 ? Infinity : age;
  }

  /**
   * Tells whoever holds the lease of a key that its result is not to be kept, by writing the key into
   * the file that is locked. Whoever takes the lease after that holder is not meant.
   *
   * @param key The key of the call.
   * @returns Whether there may be such a holder.
   */
  revoke(key: Digest): boolean {
    const { fileSystem, layout, guard } = this.#options;
    guard.checkWritable("revoke a lease in");
    if (!isDigest(key)) return false;
    const path = toLeasePath(layout, key);
    using file = ifThere(() => fileSystem.open(path, { append: true }));
    if (file === undefined) return false;
    writeAll(fileSystem, file, new TextEncoder().encode(key));
    return true;
  }

  /** As the interface says. */
  async changed(key: Digest, signal?: AbortSignal): Promise<void> {
    const look = this.watch(key);
    await waitUntil(() => {
      this.#options.guard.checkOpen("wait for a lease in");
      return look();
    }, signal);
  }

  /**
   * Makes what tells whether the holder of a lease may have finished: it stores the result before it
   * frees the lease.
   */
  protected watch(key: Digest): () => boolean {
    return () => isLeaseFree(this.#options.layout, key);
  }

  #free(path: string, own: OwnFile): void {
    try {
      // While the lock is held: nobody else can have put another file there.
      removeIfThere(this.#options.fileSystem, path);
    } catch (error) {
      // It still has the key's name, so only without its lock can others take the key.
      abandonOwnFile(this.#options.fileSystem, own);
      throw error;
    }
    this.#putBack(own);
  }

  #putBack(own: OwnFile): void {
    if (this.#idle !== undefined && this.#idle.length < KEPT_FILES) this.#idle.push(own);
    else abandonOwnFile(this.#options.fileSystem, own);
  }

  /** Lets go of the files that hold no lease; those that do are let go of with it. */
  [Symbol.dispose](): void {
    this.board[Symbol.dispose]();
    const idle = this.#idle ?? [];
    this.#idle = undefined;
    for (const own of idle) abandonOwnFile(this.#options.fileSystem, own);
  }
}

/** A lease: the lock of a file. */
class FileLease implements Lease {
  readonly key: Digest;
  readonly #file: Deno.FsFile;
  #free: (() => void) | undefined;
  #revoked = false;

  constructor(key: Digest, file: Deno.FsFile, free: () => void) {
    this.key = key;
    this.#file = file;
    this.#free = free;
  }

  get revoked(): boolean {
    if (this.#free !== undefined && !this.#revoked) {
      this.#revoked = isRevoked(this.#file, this.key);
    }
    return this.#revoked;
  }

  [Symbol.dispose](): void {
    const free = this.#free;
    this.#free = undefined;
    free?.();
  }
}

/** How often a file is locked that somebody puts another one in the place of. */
const MOST_FILES = 100;

const FIRST_DELAY = 1;
const LONGEST_DELAY = 50;

/**
 * Takes a lease by locking a file that has the key's name: a new one, or what a killed holder has left.
 *
 * @param path The file of the lease.
 * @param key The key of the call.
 * @returns The lease, or `undefined` when somebody holds it.
 */
function tryLock(fileSystem: FileSystem, path: string, key: Digest): Lease | undefined {
  for (let attempt = 0; attempt < MOST_FILES; attempt++) {
    const file = openShared(fileSystem, path, { write: true });
    try {
      if (!file.tryLockSync(true)) {
        file.close();
        return undefined;
      }
      // Whoever held it before may have removed it after this opened it: then it is a lock on a
      // file that nobody else will find under this name.
      if (isSameFile(path, file.statSync())) {
        clear(fileSystem, file);
        return new FileLease(key, file, () => {
          try {
            // While it is still held: nobody else can have put another file there.
            removeIfThere(fileSystem, path);
          } finally {
            file.unlockSync();
            file.close();
          }
        });
      }
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
  }
  throw new QuiverError(`Cannot lock "${path}": somebody replaces the file again and again`);
}

/** What is read of a file at once: it is nearly always empty. */
const MARKS = new Uint8Array(1024);

/**
 * Has a file tell since when its lease is held, and drops what earlier holders were told and have not
 * read, as their calls failed or as they were killed: it is not for the next one.
 *
 * @param file The file whose lock is the lease.
 */
function clear(fileSystem: FileSystem, file: Deno.FsFile): void {
  fileSystem.truncate(file, 0);
  file.seekSync(0, Deno.SeekMode.Start);
}

/** Whether the key was written into the file of its lease since this was last asked. */
function isRevoked(file: Deno.FsFile, key: Digest): boolean {
  let revoked = false;
  for (let length = file.readSync(MARKS); length !== null; length = file.readSync(MARKS)) {
    revoked ||= new TextDecoder().decode(MARKS.subarray(0, length)).includes(key);
  }
  return revoked;
}

/**
 * Tells whether a lease is free, without taking it.
 *
 * @param layout Where lease files lie.
 * @param key The key of the call.
 * @returns Whether nobody holds it.
 */
export function isLeaseFree(layout: LeaseLayout, key: Digest): boolean {
  return isLockedAt(toLeasePath(layout, key)) !== true;
}

/**
 * Removes the lease files of holders that were killed. They hold nothing up, but would stay for ever
 * where nobody asks for their keys again.
 *
 * @param layout Where lease files lie.
 */
export function clearLeases(fileSystem: FileSystem, layout: LeaseLayout): void {
  for (const { name: key, isFile } of listEntries(layout.leases)) {
    if (!isFile || !isDigest(key)) continue;
    tryLock(fileSystem, toLeasePath(layout, key), key)?.[Symbol.dispose]();
  }
}

/**
 * Waits until there is something, looking again and again: no event tells that a lock in another
 * process was freed, and `Deno.watchFs` does not see the death of a holder.
 *
 * @typeParam T What there is.
 * @param look Gives it, or tells that it is not there yet.
 * @param signal Ends the wait with the signal's reason.
 * @returns What there is.
 */
export async function waitUntil<T>(
  look: () => T | false | undefined,
  signal?: AbortSignal,
): Promise<T> {
  signal?.throwIfAborted();
  for (let delay = FIRST_DELAY;; delay = Math.min(delay * 2, LONGEST_DELAY)) {
    const found = look();
    if (found !== false && found !== undefined) return found;
    await sleep(delay, signal);
  }
}

/**
 * Names the file of a lease.
 *
 * @param layout Where leases are kept.
 * @param key The key of the call.
 */
function toLeasePath(layout: LeaseLayout, key: Digest): string {
  if (!isDigest(key)) {
    throw new TypeError(`Cannot lease "${key}": a key is 64 lower-case hexadecimal characters`);
  }
  return `${layout.leases}/${key}`;
}

/**
 * Makes the directory of leases of a cache that is no bag, in which handles have their own files, too,
 * and clears away what holders left that were killed.
 */
export function createLeases(fileSystem: FileSystem, directory: string): void {
  fileSystem.makeDirectory(directory);
  clearLeases(fileSystem, { leases: directory });
  clearOwnFiles(fileSystem, { locks: directory });
}

/**
 * Runs what only one handle may do at a time, such as creating a cache.
 *
 * @typeParam T What the function returns.
 * @returns What the function returns.
 */
export function exclusively<T>(fileSystem: FileSystem, directory: string, fn: () => T): T {
  using file = fileSystem.open(`${directory}/opening.lock`, {
    read: true,
    write: true,
    create: true,
  });
  file.lockSync(true);
  try {
    return fn();
  } finally {
    file.unlockSync();
  }
}

/** A note of more bytes is no note. */
const LARGEST_BYTES = 2 ** 24;

/**
 * What each open handle of a cache tells the others about its waiting calls: one checked line in
 * `locks/waits-<uuid>`, whose lock says that its writer lives. What the note of a dead writer says
 * does not count.
 */
export class WaitNotes implements WaitBoard, Disposable {
  readonly #options: DiskLeasesOptions;
  #own: OwnFile | undefined;

  /**
   * Creates it; no file is made before there is something to tell.
   *
   * @param options What the leases need to know, which the waits are for.
   */
  constructor(options: DiskLeasesOptions) {
    this.#options = options;
  }

  /**
   * Replaces what this handle tells. When that fails it tells nothing: what was told before may no
   * longer be so.
   *
   * @param note What others are to know; nothing, if not given.
   */
  write(note?: Record<string, unknown>): void {
    const { fileSystem, layout, guard } = this.#options;
    guard.checkWritable("wait in");
    if (note === undefined && this.#own === undefined) return;
    if (this.#own !== undefined && !isSameFile(this.#own.path, this.#own)) {
      this.#own.file.close();
      this.#own = undefined;
    }
    const { file } = this.#own ??= createOwnFile(fileSystem, layout, "waits");
    const line = note === undefined
      ? new Uint8Array()
      : encodeCheckedLine(JSON.stringify(note).slice(0, -1));
    try {
      // Whoever reads between two of these steps finds no line, and looks again soon.
      file.seekSync(0, Deno.SeekMode.Start);
      fileSystem.truncate(file, line.length);
      writeAll(fileSystem, file, line);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Reads what the others tell.
   *
   * @returns The notes of the handles that live, without the own one.
   */
  read(): Record<string, unknown>[] {
    this.#options.guard.checkOpen("read from");
    const notes: Record<string, unknown>[] = [];
    for (const path of listOwnFiles(this.#options.layout, "waits")) {
      if (path === this.#own?.path) continue;
      const note = readNote(path);
      if (note !== undefined) notes.push(note);
    }
    return notes;
  }

  /** Removes the own note. */
  [Symbol.dispose](): void {
    const own = this.#own;
    this.#own = undefined;
    if (own !== undefined) abandonOwnFile(this.#options.fileSystem, own);
  }
}

function readNote(path: string): Record<string, unknown> | undefined {
  using file = openIfThere(path);
  if (file === undefined || !isLocked(file)) return undefined;
  const size = file.seekSync(0, Deno.SeekMode.End);
  if (size > LARGEST_BYTES) return undefined;
  const bytes = readPiece(file, 0, size);
  return bytes && decodeCheckedLine(bytes.subarray(1, -1));
}
