/**
 * Files that are written for the user, wherever the user wants them: exports, not the files of a cache.
 *
 * What is there is replaced in one step, as whoever had it wants to find it: under the same name, by the
 * same links, with the same owner and permissions. A cache is none of these places.
 *
 * @module
 */
import { basename, dirname, resolve } from "node:path";
import { QuiverError } from "../base/errors.ts";
import { type FileSystem, lookAt, readWhole, SMALL_FILE_BYTES } from "./file_system.ts";
import { takeOver } from "./ownership.ts";
import {
  clearUnfinishedFiles,
  createUnfinishedFile,
  removeUnfinishedFile,
} from "./unfinished_file.ts";

/** So many links are followed, as the system does. */
const MOST_LINKS = 40;

/** The files that make a directory a cache, and how what they say begins. */
const MARKERS = ["bag.json", "cache.json"] as const;
const FORMATS = /^quiver-(?:bag|files)$/;

/**
 * Gives a file of the user's new content in one step: under its name stands what was there, or all of
 * the new content. A symbolic link stays, and what it leads to is replaced. The new file has mode, group
 * and owner of the one that it replaces, as far as whoever runs this may give them.
 *
 * What a process leaves that is killed while it writes is removed by the next that writes to the same
 * directory.
 *
 * Requires `--allow-read` and `--allow-write` of the directory, and that of a link's target.
 *
 * @param path The file, absolute; it may be missing.
 * @param fill Writes the content.
 * @throws {QuiverError} If there is something else than a file, or it lies in a cache.
 * @throws What `fill` or the disk throws; nothing of the new content is left then.
 */
export async function replaceUserFile(
  fileSystem: FileSystem,
  path: string,
  fill: (file: Deno.FsFile) => Promise<void>,
): Promise<void> {
  const target = followLinks(path);
  const there = checkTarget(path, target);
  refuseCache(path, target);
  const directory = dirname(target);
  clearUnfinishedFiles(fileSystem, directory);
  // Never more for anybody than it is to have, not for a moment.
  const unfinished = explained(path, directory, () => {
    return createUnfinishedFile(fileSystem, directory, there?.mode ?? undefined);
  });
  try {
    await fill(unfinished.file);
    fileSystem.sync(unfinished.file);
    if (there !== undefined) takeOver(target, unfinished.path);
    fileSystem.rename(unfinished.path, target);
  } catch (error) {
    removeUnfinishedFile(fileSystem, unfinished);
    throw error;
  }
  unfinished.file.close();
  fileSystem.syncDirectory(directory);
}

/** Finds out where a file lies, or is to lie: a link need not lead to one that is there. */
function followLinks(path: string): string {
  let target = path;
  for (let links = 0; links < MOST_LINKS; links++) {
    target = resolve(Deno.realPathSync(dirname(target)), basename(target));
    if (lookAt(target)?.isSymlink !== true) return target;
    target = resolve(dirname(target), Deno.readLinkSync(target));
  }
  throw new QuiverError(
    `Cannot write "${path}": it is a symbolic link that leads to itself; remove it, or choose another ` +
      "file",
  );
}

function checkTarget(path: string, target: string): Deno.FileInfo | undefined {
  const there = lookAt(target);
  if (there === undefined || there.isFile) return there;
  throw new QuiverError(
    `Cannot write "${path}": it is ${there.isDirectory ? "a directory" : "no file"}; choose a file`,
  );
}

/**
 * Refuses what would change a cache behind its back.
 *
 * @param target The same without links.
 */
function refuseCache(path: string, target: string): void {
  let directory = dirname(target);
  for (;;) {
    if (MARKERS.some((name) => isMarker(`${directory}/${name}`))) {
      throw new QuiverError(
        `Cannot write "${path}": it lies in the cache "${directory}", whose files are its own; choose ` +
          "a place outside of it",
      );
    }
    const parent = dirname(directory);
    if (parent === directory) return;
    directory = parent;
  }
}

/** Whether a file says of its directory that it is a cache, or did before it was damaged. */
function isMarker(path: string): boolean {
  // Above what the program works with there may be directories that are not for it to look into.
  if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") return false;
  try {
    const bytes = readWhole(path, SMALL_FILE_BYTES);
    if (bytes === undefined) return false;
    const content: unknown = JSON.parse(new TextDecoder().decode(bytes));
    const format: unknown = Reflect.get(Object(content), "format");
    if (typeof format === "string") return FORMATS.test(format);
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return false;
  }
  return MARKED.some((name) => isDirectory(`${dirname(path)}/${name}`));
}

/** The directories of which a cache has one at least. */
const MARKED = ["segments", "journal", "unfinished"];

function isDirectory(path: string): boolean {
  return lookAt(path)?.isDirectory === true;
}

/** Says where no file can be made, as the name of the one that is not finished says nothing. */
function explained<T>(path: string, directory: string, create: () => T): T {
  try {
    return create();
  } catch (cause) {
    const isReadOnly = cause instanceof Error && "code" in cause && cause.code === "EROFS";
    if (!isReadOnly && !(cause instanceof Deno.errors.PermissionDenied)) throw cause;
    const why = isReadOnly ? "lies on a disk that is read-only" : "belongs to somebody else";
    throw new QuiverError(
      `Cannot write "${path}": no file can be made in "${directory}", which ${why}; choose a place ` +
        "where you may write",
      { cause },
    );
  }
}
