import type { Digest } from "../value/value.ts";
import type { CacheGuard, LeaseLock } from "./disk_storage.ts";
import { decodeCheckedLine, encodeCheckedLine } from "./checked_line.ts";
import {
  DISK,
  type FileSystem,
  openIfThere,
  openShared,
  readAt,
  refuseLink,
  removeIfThere,
  writeAll,
} from "./file_system.ts";
import { type BagLayout, listEntries } from "./layout.ts";
import {
  abandonOwnFile,
  clearOwnFiles,
  createOwnFile,
  listOwnFiles,
  type OwnFile,
  type OwnFileLayout,
} from "./own_file.ts";

/** Leases in a directory of lock files, for caches on disk that are not bags. */
export class LeaseDirectory implements Disposable {
  readonly #fileSystem: FileSystem;
  readonly #layout: LeaseLayout & OwnFileLayout;
  readonly #waits: WaitNotes;

  /**
   * Names the directory; nothing is written yet.
   *
   * @param path The directory.
   * @param fileSystem The seam.
   */
  constructor(path: string, fileSystem: FileSystem = DISK) {
    this.#fileSystem = fileSystem;
    this.#layout = { leases: path, locks: path };
    this.#waits = new WaitNotes(fileSystem, this.#layout);
  }

  /** Makes the directory, and clears away what holders left that were killed. */
  open(): void {
    this.#fileSystem.makeDirectory(this.#layout.leases);
    clearLeases(this.#fileSystem, this.#layout);
    clearOwnFiles(this.#fileSystem, this.#layout);
  }

  /**
   * Runs what only one handle may do at a time, such as creating a cache.
   *
   * @typeParam T What the function returns.
   * @param fn The function.
   * @returns What the function returns.
   */
  exclusively<T>(fn: () => T): T {
    const path = `${this.#layout.leases}/opening.lock`;
    using file = this.#fileSystem.open(path, { read: true, write: true, create: true });
    file.lockSync(true);
    try {
      return fn();
    } finally {
      file.unlockSync();
    }
  }

  /**
   * Takes the lease of a key if it is free.
   *
   * @param key The key of the call.
   * @returns The lease, or `undefined` when somebody holds it.
   */
  tryAcquire(key: Digest): LeaseLock | undefined {
    return tryLease(this.#fileSystem, this.#layout, key);
  }

  /**
   * Tells whoever holds the lease of a key that its result is not to be kept.
   *
   * @param key The key of the call.
   */
  revoke(key: Digest): void {
    revokeLease(this.#fileSystem, this.#layout, key);
  }

  /**
   * Tells all who use the cache what calls here wait for, in place of what was told before.
   *
   * @param note What they are to know; nothing, if not given.
   */
  tellWaits(note?: Record<string, unknown>): void {
    this.#waits.write(note);
  }

  /**
   * Reads what the others tell.
   *
   * @returns A note of each handle that lives and has something to tell.
   */
  readWaits(): Record<string, unknown>[] {
    return this.#waits.read();
  }

  /** Removes what this handle tells. */
  [Symbol.dispose](): void {
    this.#waits[Symbol.dispose]();
  }

  /**
   * Waits until the lease of a key may be free. Its holder stores the result before it frees it.
   *
   * @param key The key of the call.
   * @param check Throws when waiting makes no sense any more.
   * @param signal Ends the wait with the signal's reason.
   */
  changed(key: Digest, check: () => void, signal?: AbortSignal): Promise<void> {
    return waitUntil(() => {
      check();
      return isLeaseFree(this.#layout, key);
    }, signal);
  }
}

/** How many keys a file may have had before what was said of them is passed over. */
const MOST_KEYS = 64;

/** How many files are kept for the next leases. */
const KEPT_FILES = 16;

/**
 * Takes the leases of one handle.
 *
 * A lease is held by whoever holds the lock of the file that has the key's name in `leases/`. A
 * handle keeps files of its own in `locks/`, locked all the time, and takes a lease by giving one of
 * them the key as a second name: a link never replaces what is there, so only one can succeed. To
 * free the lease is to remove that name; two names of one file cost half of what a new file and its
 * lock cost. A file has one key at a time, so that a lease which a killed holder left behind can be
 * taken over by its lock alone.
 */
export class LeaseFiles implements Disposable {
  readonly #fileSystem: FileSystem;
  readonly #layout: BagLayout;
  /** The keys that a file has had since what was said of them was last passed over. */
  readonly #keys = new WeakMap<OwnFile, Set<Digest>>();
  /** Locked files that have no key now; `undefined` once they were let go of. */
  #idle: OwnFile[] | undefined = [];

  /**
   * Creates it; no file is made before the first lease.
   *
   * @param fileSystem The seam.
   * @param layout The bag's paths.
   */
  constructor(fileSystem: FileSystem, layout: BagLayout) {
    this.#fileSystem = fileSystem;
    this.#layout = layout;
  }

  /**
   * Takes the lease of a key if it is free.
   *
   * @param key The key of the call.
   * @returns The lease, or `undefined` when somebody holds it.
   */
  tryTake(key: Digest): LeaseLock | undefined {
    const path = toLeasePath(this.#layout, key);
    const own = this.#idle?.pop() ?? createOwnFile(this.#fileSystem, this.#layout, "lease");
    try {
      this.#fileSystem.link(own.path, path);
    } catch {
      // Somebody holds the key, or has left it behind; or files cannot have two names here, as on a
      // FAT disk. What else is wrong shows when the file itself is opened.
      this.#putBack(own);
      return tryLease(this.#fileSystem, this.#layout, key);
    }
    this.#forgetEarlier(own, key);
    return new Lease(key, own.file, () => this.#free(path, own));
  }

  /**
   * Tells whoever holds the lease of a key that its result is not to be kept.
   *
   * @param key The key of the call.
   * @returns Whether there may be such a holder.
   */
  revoke(key: Digest): boolean {
    return revokeLease(this.#fileSystem, this.#layout, key);
  }

  /** Only what was said of the same key can be mistaken; to look each time would cost 5 % of a miss. */
  #forgetEarlier(own: OwnFile, key: Digest): void {
    const keys = this.#keys.get(own) ?? new Set();
    if (keys.has(key) || keys.size >= MOST_KEYS) {
      skipMarks(own.file);
      keys.clear();
    }
    this.#keys.set(own, keys.add(key));
  }

  #free(path: string, own: OwnFile): void {
    try {
      // While the lock is held: nobody else can have put another file there.
      removeIfThere(this.#fileSystem, path);
    } catch (error) {
      // It still has the key's name, so only without its lock can others take the key.
      abandonOwnFile(this.#fileSystem, own);
      throw error;
    }
    this.#putBack(own);
  }

  #putBack(own: OwnFile): void {
    if (this.#idle !== undefined && this.#idle.length < KEPT_FILES) this.#idle.push(own);
    else abandonOwnFile(this.#fileSystem, own);
  }

  /** Lets go of the files that hold no lease; those that do are let go of with it. */
  [Symbol.dispose](): void {
    const idle = this.#idle ?? [];
    this.#idle = undefined;
    for (const own of idle) abandonOwnFile(this.#fileSystem, own);
  }
}

class Lease implements LeaseLock {
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

/** Where lease files lie. */
type LeaseLayout = Pick<BagLayout, "leases">;

const KEY_REGEXP = /^[0-9a-f]{64}$/;

const FIRST_DELAY = 1;
const LONGEST_DELAY = 50;

/**
 * Takes the lease of a key if it is free. The lease is a lock on a file that has the key's name, so
 * that the death of its holder frees it.
 *
 * @param fileSystem The seam.
 * @param layout Where lease files lie.
 * @param key The key of the call.
 * @returns The lease, or `undefined` when somebody holds it.
 */
export function tryLease(
  fileSystem: FileSystem,
  layout: LeaseLayout,
  key: Digest,
): LeaseLock | undefined {
  const path = toLeasePath(layout, key);
  while (true) {
    const file = openShared(fileSystem, path, { write: true });
    try {
      if (!file.tryLockSync(true)) {
        file.close();
        return undefined;
      }
      // Whoever held it before may have removed it after this opened it: then it is a lock on a
      // file that nobody else will find under this name.
      if (isSameFile(path, file)) {
        skipMarks(file);
        return new LeaseFile(fileSystem, key, path, file);
      }
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
  }
}

function isSameFile(path: string, file: Deno.FsFile): boolean {
  using found = openIfThere(path);
  if (found === undefined) return false;
  const [there, own] = [found.statSync(), file.statSync()];
  return there.ino === own.ino && there.dev === own.dev;
}

/**
 * Tells whoever holds the lease of a key that its result is not to be kept, by writing the key into
 * the file that is locked. Whoever takes the lease after that holder is not meant.
 *
 * @param fileSystem The seam.
 * @param layout Where lease files lie.
 * @param key The key of the call.
 * @returns Whether there may be such a holder.
 */
export function revokeLease(fileSystem: FileSystem, layout: LeaseLayout, key: Digest): boolean {
  if (!KEY_REGEXP.test(key)) return false;
  const path = toLeasePath(layout, key);
  refuseLink(path);
  try {
    using file = fileSystem.open(path, { append: true });
    writeAll(fileSystem, file, new TextEncoder().encode(key));
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** What is read of a file at once: it is nearly always empty. */
const MARKS = new Uint8Array(1024);

/**
 * Passes over what earlier holders of a file were told, and have not read as their calls failed or as
 * they were killed: it is not for the next one.
 *
 * @param file The file whose lock is the lease.
 */
function skipMarks(file: Deno.FsFile): void {
  while (file.readSync(MARKS) !== null);
}

/**
 * Tells whether something was written into the file of a lease since this was last asked, such as that
 * the result is not to be kept.
 *
 * @param file The file whose lock is the lease.
 * @param key The key of the call: others may have had the file before.
 * @returns Whether the key was written.
 */
export function isRevoked(file: Deno.FsFile, key: Digest): boolean {
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
  using file = openIfThere(toLeasePath(layout, key));
  if (file === undefined) return true;
  if (!file.tryLockSync(false)) return false;
  file.unlockSync();
  return true;
}

/**
 * Removes the lease files of holders that were killed. They hold nothing up, but would stay for ever
 * where nobody asks for their keys again.
 *
 * @param fileSystem The seam.
 * @param layout Where lease files lie.
 */
export function clearLeases(fileSystem: FileSystem, layout: LeaseLayout): void {
  for (const { name: key, isFile } of listEntries(layout.leases)) {
    if (isFile && KEY_REGEXP.test(key)) tryLease(fileSystem, layout, key)?.[Symbol.dispose]();
  }
}

/**
 * Waits until something is the case, looking again and again: no event tells that a lock in another
 * process was freed, and `Deno.watchFs` does not see the death of a holder.
 *
 * @param look Whether it is the case.
 * @param signal Ends the wait with the signal's reason.
 */
export async function waitUntil(look: () => boolean, signal?: AbortSignal): Promise<void> {
  let delay = FIRST_DELAY;
  signal?.throwIfAborted();
  while (!look()) {
    await wait(delay, signal);
    delay = Math.min(delay * 2, LONGEST_DELAY);
  }
}

async function wait(delay: number, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, delay);
  const onAbort = () => reject(signal?.reason);
  signal?.addEventListener("abort", onAbort);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

/**
 * Names the file of a lease.
 *
 * @param layout Where leases are kept.
 * @param key The key of the call.
 * @returns The path.
 */
function toLeasePath(layout: LeaseLayout, key: Digest): string {
  if (!KEY_REGEXP.test(key)) {
    throw new TypeError(`Cannot lease "${key}": a key is 64 lower-case hexadecimal characters`);
  }
  return `${layout.leases}/${key}`;
}

class LeaseFile implements LeaseLock {
  readonly key: Digest;
  readonly #fileSystem: FileSystem;
  readonly #path: string;
  readonly #file: Deno.FsFile;
  #held = true;
  #revoked = false;

  constructor(fileSystem: FileSystem, key: Digest, path: string, file: Deno.FsFile) {
    this.key = key;
    this.#fileSystem = fileSystem;
    this.#path = path;
    this.#file = file;
  }

  get revoked(): boolean {
    if (this.#held && !this.#revoked) this.#revoked = isRevoked(this.#file, this.key);
    return this.#revoked;
  }

  [Symbol.dispose](): void {
    if (!this.#held) return;
    this.#held = false;
    try {
      // While it is still held: nobody else can have put another file there.
      removeIfThere(this.#fileSystem, this.#path);
    } finally {
      this.#file.unlockSync();
      this.#file.close();
    }
  }
}

/** What caches have in common that keep leases in a directory: who computes what, and who waits. */
export abstract class LeasedFiles implements AsyncDisposable {
  readonly #guard: CacheGuard;
  readonly #leases: LeaseDirectory;
  /** Values that are there, and are not what their digest says. */
  protected readonly rejected: Set<Digest> = new Set();

  /**
   * Takes what the cache stands on.
   *
   * @param guard Says what may be done.
   * @param leases Who computes what.
   */
  constructor(guard: CacheGuard, leases: LeaseDirectory) {
    this.#guard = guard;
    this.#leases = leases;
  }

  /** As the interface says. */
  rejectValue(digest: Digest): boolean {
    this.rejected.add(digest);
    return false;
  }

  /** As the interface says. */
  tryLease(key: Digest): LeaseLock | undefined {
    this.#guard.checkWritable("take a lease in");
    return this.#leases.tryAcquire(key);
  }

  /** As the interface says. */
  revokeLease(key: Digest): void {
    this.#guard.checkWritable("revoke a lease in");
    this.#leases.revoke(key);
  }

  /** As the interface says. */
  abstract deleteCall(key: Digest): boolean;

  /** Takes a call back whose lease was revoked after the last look: then it was not to be put. */
  protected keepUnlessRevoked(key: Digest, lease: LeaseLock | undefined): boolean {
    if (lease === undefined || !lease.revoked) return true;
    this.deleteCall(key);
    return false;
  }

  /** As the interface says. */
  leaseChanged(key: Digest, signal?: AbortSignal): Promise<void> {
    return this.#leases.changed(key, () => this.#guard.checkOpen("wait for a lease in"), signal);
  }

  /** As the interface says. */
  tellWaits(note?: Record<string, unknown>): void {
    this.#guard.checkWritable("wait in");
    this.#leases.tellWaits(note);
  }

  /** As the interface says. */
  readWaits(): Record<string, unknown>[] {
    this.#guard.checkOpen("read from");
    return this.#leases.readWaits();
  }

  /** Lets go of the leases, and of what a cache has beside them; may be called twice. */
  close(): Promise<void> {
    return Promise.try(() => {
      if (!this.#guard.close()) return;
      this.#leases[Symbol.dispose]();
      this.release();
    });
  }

  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Lets go of what the cache has beside its leases, once. */
  protected abstract release(): void;
}

/** A note of more bytes is no note. */
const LARGEST_BYTES = 2 ** 24;

/**
 * What each open handle of a bag or another cache tells the others about its waiting calls: one checked line in
 * `locks/waits-<uuid>`, whose lock says that its writer lives. What the note of a dead writer says
 * does not count.
 */
export class WaitNotes implements Disposable {
  readonly #fileSystem: FileSystem;
  readonly #layout: OwnFileLayout;
  #own: OwnFile | undefined;

  /**
   * Creates it; no file is made before there is something to tell.
   *
   * @param fileSystem The seam.
   * @param layout Where the notes lie.
   */
  constructor(fileSystem: FileSystem, layout: OwnFileLayout) {
    this.#fileSystem = fileSystem;
    this.#layout = layout;
  }

  /**
   * Replaces what this handle tells. When that fails it tells nothing: what was told before may no
   * longer be so.
   *
   * @param note What others are to know; nothing, if not given.
   */
  write(note?: Record<string, unknown>): void {
    if (note === undefined && this.#own === undefined) return;
    this.#own ??= createOwnFile(this.#fileSystem, this.#layout, "waits");
    const line = note === undefined
      ? new Uint8Array()
      : encodeCheckedLine(JSON.stringify(note).slice(0, -1));
    try {
      this.#replace(this.#own.file, line);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Whoever reads between two of the steps finds no line, and looks again soon. */
  #replace(file: Deno.FsFile, line: Uint8Array): void {
    file.seekSync(0, Deno.SeekMode.Start);
    this.#fileSystem.truncate(file, line.length);
    writeAll(this.#fileSystem, file, line);
  }

  /**
   * Reads what the others tell.
   *
   * @returns The notes of the handles that live, without the own one.
   */
  read(): Record<string, unknown>[] {
    const notes: Record<string, unknown>[] = [];
    for (const path of listOwnFiles(this.#layout, "waits")) {
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
    if (own !== undefined) abandonOwnFile(this.#fileSystem, own);
  }
}

function readNote(path: string): Record<string, unknown> | undefined {
  using file = openIfThere(path);
  if (file === undefined) return undefined;
  if (file.tryLockSync(false)) {
    file.unlockSync();
    return undefined;
  }
  const size = file.seekSync(0, Deno.SeekMode.End);
  if (size > LARGEST_BYTES) return undefined;
  const bytes = new Uint8Array(size);
  return readAt(file, 0, bytes) ? decodeCheckedLine(bytes.subarray(1, -1)) : undefined;
}
