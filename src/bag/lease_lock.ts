import type { Digest } from "../value/encoded_value.ts";
import { type FileSystem, openIfThere, removeIfThere } from "./_file_system.ts";
import { type BagLayout, listNames } from "./layout.ts";

const KEY_REGEXP = /^[0-9a-f]{64}$/;

const FIRST_DELAY = 1;
const LONGEST_DELAY = 50;

/** What came of trying to take a lease whose file is there. */
export type TakeOver =
  | { readonly state: "held" }
  | { readonly state: "gone" }
  | { readonly state: "taken"; readonly file: Deno.FsFile };

/**
 * Names the file of a lease.
 *
 * @param layout The bag's paths.
 * @param key The key of the call.
 * @returns The path.
 */
export function toLeasePath(layout: BagLayout, key: Digest): string {
  if (!KEY_REGEXP.test(key)) {
    throw new TypeError(`Cannot lease "${key}": a key is 64 lower-case hexadecimal characters`);
  }
  return `${layout.leases}/${key}`;
}

/**
 * Takes a lease that its holder has left behind, by the lock of its file.
 *
 * @param path The file of the lease.
 * @param file The same file, as it was opened just now.
 * @returns Whether it was taken; if not, the file was closed.
 */
export function takeOver(path: string, file: Deno.FsFile | undefined): TakeOver {
  if (file === undefined) return { state: "gone" };
  try {
    if (!file.tryLockSync(true)) {
      file.close();
      return { state: "held" };
    }
    // Whoever held it before may have removed it since, and another may have put a file of its own
    // there: then this is a lock on a file that nobody else will find.
    if (isSameFile(path, file)) return { state: "taken", file };
  } catch (error) {
    file.close();
    throw error;
  }
  file.close();
  return { state: "gone" };
}

function isSameFile(path: string, file: Deno.FsFile): boolean {
  using other = openIfThere(path);
  if (other === undefined) return false;
  const [a, b] = [other.statSync(), file.statSync()];
  return a.ino === b.ino && a.dev === b.dev;
}

/**
 * Tells whether a lease is free, without taking it.
 *
 * @param layout The bag's paths.
 * @param key The key of the call.
 * @returns Whether nobody holds it.
 */
export function isLeaseFree(layout: BagLayout, key: Digest): boolean {
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
 * @param layout The bag's paths.
 */
export function clearLeases(fileSystem: FileSystem, layout: BagLayout): void {
  for (const key of listNames(layout.leases)) {
    if (!KEY_REGEXP.test(key)) continue;
    const path = toLeasePath(layout, key);
    const left = takeOver(path, openIfThere(path));
    if (left.state !== "taken") continue;
    using file = left.file;
    try {
      removeIfThere(fileSystem, path);
    } finally {
      file.unlockSync();
    }
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
