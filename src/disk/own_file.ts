import {
  type FileIdentity,
  type FileSystem,
  isSameFile,
  openIfThere,
  removeIfThere,
} from "./file_system.ts";
import { type BagLayout, listNames } from "./layout.ts";

/** What a file of a handle's own is for: its name in `locks/` begins so. */
type OwnFilePurpose = "lease" | "waits";

const NAME_REGEXP = /^(lease|waits)-[0-9a-f-]{36}$/;

/** Where handles make files for themselves. */
export type OwnFileLayout = Pick<BagLayout, "locks">;

/** A file that one handle has made for itself. */
export interface OwnFile extends FileIdentity {
  /** Where it is. */
  readonly path: string;
  /** The file, locked exclusively. */
  readonly file: Deno.FsFile;
}

/**
 * Makes a file that is locked for as long as its maker has it open: whoever gets the lock knows that
 * the maker has let go of it, or is dead.
 *
 * @param layout Where the files lie.
 * @param purpose What the file is for.
 */
export function createOwnFile(
  fileSystem: FileSystem,
  layout: OwnFileLayout,
  purpose: OwnFilePurpose,
): OwnFile {
  return createLockedFile(fileSystem, () => `${layout.locks}/${purpose}-${crypto.randomUUID()}`);
}

/**
 * Makes a file under a name of its own, and locks it.
 *
 * @param toPath Makes a name that nobody has.
 * @param mode Its permissions; if not given, what is usual.
 */
export function createLockedFile(
  fileSystem: FileSystem,
  toPath: () => string,
  mode?: number,
): OwnFile {
  const path = toPath();
  const file = fileSystem.open(path, {
    read: true,
    write: true,
    createNew: true,
    ...(mode !== undefined && { mode: mode & 0o777 }),
  });
  try {
    file.lockSync(true);
    // Between the two calls above, somebody may have taken this for the file of a dead process.
    const { dev, ino } = file.statSync();
    if (isSameFile(path, { dev, ino })) return { path, file, dev, ino };
  } catch (error) {
    file.close();
    removeIfThere(fileSystem, path);
    throw error;
  }
  file.close();
  return createLockedFile(fileSystem, toPath, mode);
}

/** Removes a file of one's own and lets go of it. */
export function abandonOwnFile(fileSystem: FileSystem, { path, file }: OwnFile): void {
  try {
    removeIfThere(fileSystem, path);
  } catch {
    // Without its lock, the next fold takes it for what a dead process left, and removes it.
  } finally {
    file.unlockSync();
    file.close();
  }
}

/**
 * Lists the files that handles have made for themselves, those of dead processes included.
 *
 * @param layout Where the files lie.
 * @param purpose What the files are for; all of them if not given.
 */
export function listOwnFiles(layout: OwnFileLayout, purpose?: OwnFilePurpose): string[] {
  return listNames(layout.locks)
    .filter((name) => NAME_REGEXP.test(name) && name.startsWith(purpose ?? ""))
    .map((name) => `${layout.locks}/${name}`);
}

/**
 * Removes the files of handles that were killed.
 *
 * @param layout Where the files lie.
 */
export function clearOwnFiles(fileSystem: FileSystem, layout: OwnFileLayout): void {
  for (const path of listOwnFiles(layout)) removeUnlocked(fileSystem, path);
}

/** Removes a file unless its maker has it locked. */
export function removeUnlocked(fileSystem: FileSystem, path: string): void {
  using file = openIfThere(path);
  if (file === undefined || !file.tryLockSync(true)) return;
  try {
    removeIfThere(fileSystem, path);
  } finally {
    file.unlockSync();
  }
}
