import type { FileSystem } from "./file_system.ts";
import { abandonOwnFile, createOwnFile, type OwnFileLayout } from "./own_file.ts";

/** How far the clock that files get their times from may lag behind, in milliseconds. */
export const CLOCK_LAG = 20;

/**
 * Tells the time by the clock that the files of a cache get theirs from. Times of files are compared
 * with this one only: the clock of a program may be another machine's, or wrong, and a sweep that takes
 * it for the time of a file drops what was put a moment ago.
 *
 * @param layout Where handles make files for themselves.
 * @returns Milliseconds since 1970.
 */
export function readFileClock(fileSystem: FileSystem, layout: OwnFileLayout): number {
  const own = createOwnFile(fileSystem, layout, "lease");
  try {
    return toWriteTime(own.file);
  } finally {
    abandonOwnFile(fileSystem, own);
  }
}

/** When a file was last written to, in milliseconds since 1970. */
export function toWriteTime(file: Deno.FsFile): number {
  // Deno tells it on each system that has file locks.
  return file.statSync().mtime?.getTime() ?? 0;
}

/**
 * Has a file from the future tell that it was written now. Its owner does this, if nobody else may.
 *
 * @param now The time by the clock of files, in milliseconds since 1970.
 */
export function setBack(path: string, now: number): void {
  try {
    Deno.utimeSync(path, now / 1000, now / 1000);
  } catch (error) {
    const { NotFound, PermissionDenied } = Deno.errors;
    if (!(error instanceof NotFound || error instanceof PermissionDenied)) throw error;
  }
}
