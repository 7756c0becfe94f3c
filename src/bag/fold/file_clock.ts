import { type FileSystem, removeIfThere, toTemporaryPath } from "../../disk/file_system.ts";
import type { BagLayout } from "../../disk/layout.ts";

/**
 * Tells the time by the clock that the files of a bag get theirs from. Times of files are compared with
 * this one only: the clock of a program may be another machine's, or wrong, and a sweep that takes it
 * for the time of a file drops what was put a moment ago.
 *
 * @returns Milliseconds since 1970.
 */
export function readFileClock(fileSystem: FileSystem, layout: BagLayout): number {
  // A name that the next fold clears away if this one is killed.
  const path = toTemporaryPath(layout.manifest);
  using file = fileSystem.open(path, { write: true, createNew: true });
  try {
    return toWriteTime(file);
  } finally {
    removeIfThere(fileSystem, path);
  }
}

/** When a file was last written to, in milliseconds since 1970. */
export function toWriteTime(file: Deno.FsFile): number {
  // Deno tells it on each system that has file locks.
  return file.statSync().mtime?.getTime() ?? 0;
}
