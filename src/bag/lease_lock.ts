import type { Digest } from "../value/value.ts";
import {
  type FileSystem,
  openIfThere,
  openShared,
  refuseLink,
  removeIfThere,
  writeAll,
} from "./_file_system.ts";
import type { LeaseLock } from "./bag_files.ts";
import { type BagLayout, listEntries } from "./layout.ts";

/** Where lease files lie. */
export type LeaseLayout = Pick<BagLayout, "leases">;

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
export function skipMarks(file: Deno.FsFile): void {
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
export function toLeasePath(layout: LeaseLayout, key: Digest): string {
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
