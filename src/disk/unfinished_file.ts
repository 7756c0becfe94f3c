import { type FileSystem, removeIfThere } from "./file_system.ts";
import { createLockedFile, type OwnFile, removeUnlocked } from "./own_file.ts";

/** Short, whatever the file will be called: names of files have an end. */
const NAME_REGEXP = /^\.quiver-[0-9a-f]{12}\.tmp$/;

/**
 * Makes a file that is to be renamed when it is whole. It is locked until it is closed, which is to be
 * after that: so what a killed writer has left can be told from what is being written.
 *
 * @param directory Where it is made: that of the file which it becomes.
 * @param mode Its permissions, as far as the umask allows them.
 * @returns The file, open for reading and writing.
 */
export function createUnfinishedFile(
  fileSystem: FileSystem,
  directory: string,
  mode?: number,
): OwnFile {
  return createLockedFile(fileSystem, () => {
    const id = crypto.randomUUID().replaceAll("-", "").slice(0, 12);
    return `${directory}/.quiver-${id}.tmp`;
  }, mode);
}

/**
 * Removes a file that is not to be finished, and lets go of it. Whatever goes wrong with that: its maker
 * has an error to tell of already.
 *
 * @param unfinished What {@linkcode createUnfinishedFile} has given.
 */
export function removeUnfinishedFile(fileSystem: FileSystem, { path, file }: OwnFile): void {
  try {
    removeIfThere(fileSystem, path);
  } catch {
    // The next one who writes there removes it.
  } finally {
    file.close();
  }
}

/**
 * Removes what killed writers have left in a directory. What this program may not see or remove stays.
 *
 * @param directory Where files were made by {@linkcode createUnfinishedFile}.
 */
export function clearUnfinishedFiles(fileSystem: FileSystem, directory: string): void {
  const { NotCapable, NotFound, PermissionDenied } = Deno.errors;
  const expected = [NotCapable, NotFound, PermissionDenied];
  try {
    const left = Array.from(Deno.readDirSync(directory))
      .filter(({ name, isFile }) => isFile && NAME_REGEXP.test(name));
    for (const { name } of left) removeUnlocked(fileSystem, `${directory}/${name}`);
  } catch (error) {
    if (!expected.some((kind) => error instanceof kind)) throw error;
  }
}
