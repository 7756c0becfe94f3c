/**
 * Whose the files of a cache are.
 *
 * The directory of a cache says it, once for all who use it: new files and directories get its owner's
 * group and the permissions that it has, whatever the umask of who makes them, and a file that takes
 * the place of another is as that one was. What root makes is its owner's.
 *
 * @module
 */
import { dirname } from "node:path";
import type { OptionRule } from "../base/check_options.ts";
import { writeWarning } from "../base/warning.ts";
import { type FileSystem, lookAt } from "./file_system.ts";

/** Who may use the files of a cache: their owner, their group too, or whom a mode such as 0o640 names. */
export type CachePermissions = "user" | "group" | number;

/** The mode of files by these names. */
const MODES = { user: 0o600, group: 0o660 } as const;

/** What the owner needs. */
const OWN = 0o600;

/** What the owner needs of a directory. */
const OWN_DIRECTORY = 0o700;

/** What all that is made in a directory gets its group by. */
const SETGID = 0o2000;

/** The rule of the option. */
export const PERMISSIONS_RULE: OptionRule = {
  allows: (value) =>
    value === "user" || value === "group" ||
    Number.isInteger(value) && (Number(value) & ~0o666) === 0 && (Number(value) & OWN) === OWN,
  says: (name, value) =>
    ` as "${name}" must be "user", "group" or the mode of a file that its owner may read and write, ` +
    `such as 0o640: current value is ${
      typeof value === "number" ? `0o${value.toString(8)}` : JSON.stringify(value)
    }`,
};

function toFileMode(permissions: CachePermissions): number {
  return typeof permissions === "number" ? permissions : MODES[permissions];
}

/** Who may read a directory may also look up names. */
function toDirectoryMode(mode: number): number {
  return mode | (mode & 0o444) >> 2 | ((mode & 0o070) === 0 ? 0 : SETGID);
}

/**
 * Gives the directory or file of a new cache its permissions, or warns where those of one that is there
 * are others.
 *
 * @param root The directory or file, which is there.
 * @param permissions Who may use the cache; as it is, if not given.
 * @param isNew Whether there is no cache in it yet.
 */
export function allowUse(
  root: string,
  permissions: CachePermissions | undefined,
  isNew: boolean,
): void {
  if (permissions === undefined || Deno.build.os === "windows") return;
  const { mode, isDirectory } = Deno.statSync(root);
  const ofFiles = toFileMode(permissions);
  const wanted = isDirectory ? toDirectoryMode(ofFiles) : ofFiles;
  if (mode === null) return;
  if ((mode & 0o777) === (wanted & 0o777)) return;
  if (isNew) return Deno.chmodSync(root, wanted);
  const shown = typeof permissions === "number"
    ? `0o${permissions.toString(8)}`
    : JSON.stringify(permissions);
  writeWarning({
    message: `Cannot use "${root}" with permissions: ${shown} as it has ` +
      `0o${(mode & 0o777).toString(8)}, which holds for all who use it; leave the option out, or ` +
      `have its owner run chmod -R`,
  });
}

/**
 * Makes a directory that belongs to a file, and whoever may use the one may use the other.
 *
 * @param file The file; where there is none yet, the directory is as the umask makes it.
 */
export function makeBeside(fileSystem: FileSystem, directory: string, file: string): void {
  try {
    Deno.mkdirSync(directory);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    fileSystem.makeDirectory(directory);
  }
  const ownership = ownershipOf(file);
  if (ownership === undefined) return;
  become(directory, { ...ownership, mode: toDirectoryMode(ownership.mode & 0o666) });
}

/**
 * Makes a directory that is as another one is, and those above it that are missing. Its owner may write
 * there, also if that of the other one may not.
 *
 * @param directory The directory; one that is there stays as it is.
 * @param model The other one.
 */
export function makeLike(fileSystem: FileSystem, directory: string, model: string): void {
  const missing = listMissing(directory);
  fileSystem.makeDirectory(directory);
  const ownership = ownershipOf(model);
  if (ownership === undefined) return;
  const mode = ownership.mode & (SETGID | 0o777) | OWN_DIRECTORY;
  for (const made of missing) become(made, { ...ownership, mode });
}

/** What a file or directory is to be like. */
interface Ownership {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Has a file system make what is as the directory of a cache is.
 *
 * @param root The directory, which is there.
 */
export function likeDirectory(fileSystem: FileSystem, root: string): FileSystem {
  const ownership = ownershipOf(root);
  if (ownership === undefined) return fileSystem;
  const { mode, uid, gid } = ownership;
  const directory = { mode: mode & (SETGID | 0o777), uid, gid };
  const ofFile = { ...directory, mode: mode & 0o666 };
  return {
    write: fileSystem.write.bind(fileSystem),
    truncate: fileSystem.truncate.bind(fileSystem),
    sync: fileSystem.sync.bind(fileSystem),
    syncDirectory: fileSystem.syncDirectory.bind(fileSystem),
    link: fileSystem.link.bind(fileSystem),
    remove: fileSystem.remove.bind(fileSystem),
    open(path, options) {
      const makes = options.createNew === true ||
        options.create === true && lookAt(path) === undefined;
      // Never more than it is to have, not for a moment.
      const file = fileSystem.open(path, makes ? { ...options, mode: ofFile.mode } : options);
      if (makes) become(path, ofFile);
      return file;
    },
    rename(from, to) {
      if (lookAt(to)?.isFile === true) takeOver(to, from);
      fileSystem.rename(from, to);
    },
    makeDirectory(path) {
      const missing = listMissing(path);
      fileSystem.makeDirectory(path);
      for (const made of missing) become(made, directory);
    },
  };
}

/**
 * Makes a new file as the one is that it takes the place of.
 *
 * @param old The file that is there.
 * @param made The new one; whoever may not give it to the other's owner keeps it.
 */
export function takeOver(old: string, made: string): void {
  const ownership = ownershipOf(old);
  if (ownership !== undefined) become(made, { ...ownership, mode: ownership.mode & 0o777 });
}

/** Whose something is; nobody's on Windows, or where there is nothing. */
function ownershipOf(path: string): Ownership | undefined {
  if (Deno.build.os === "windows") return undefined;
  try {
    const { mode, uid, gid } = Deno.statSync(path);
    return mode === null || uid === null || gid === null ? undefined : { mode, uid, gid };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function listMissing(path: string): string[] {
  try {
    return lookAt(path) === undefined ? [path, ...listMissing(dirname(path))] : [];
  } catch (error) {
    // What may not be looked at is nothing that this program could make.
    if (error instanceof Deno.errors.NotCapable) return [];
    throw error;
  }
}

/** Who may not give a file to somebody keeps it. */
function become(path: string, { mode, uid, gid }: Ownership): void {
  const is = lookAt(path);
  // Others may have taken it away already.
  if (is?.mode === undefined || is.mode === null) return;
  // To ask who runs this takes a permission; whoever makes a file owns it.
  const owner = is.uid === 0 && uid !== 0 ? uid : null;
  const group = is.gid === gid ? null : gid;
  if (owner !== null || group !== null) attempt(() => Deno.chownSync(path, owner, group));
  if ((is.mode & 0o7777) !== mode) attempt(() => Deno.chmodSync(path, mode));
}

function attempt(change: () => void): void {
  try {
    change();
  } catch (error) {
    const expected = error instanceof Deno.errors.PermissionDenied ||
      error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotSupported;
    if (!expected) throw error;
  }
}
