import { type FileSystem, openIfThere, removeIfThere } from "../disk/file_system.ts";
import { scanJournal } from "./journal_scan.ts";

/**
 * Removes a journal if its writer is gone, and nothing was appended behind what is sealed.
 *
 * @param fileSystem The seam.
 * @param path The journal.
 * @param end Up to where the journal is sealed, in bytes.
 * @returns Whether it was removed.
 */
export function removeJournal(fileSystem: FileSystem, path: string, end: number): boolean {
  using file = openIfThere(path);
  // A writer holds the lock of its journal for as long as it lives.
  if (file === undefined || !file.tryLockSync(true)) return false;
  try {
    let grown = false;
    scanJournal(file, end, () => {
      grown = true;
    });
    // While the lock is held: a writer that has just made this journal sees that it is gone.
    if (!grown) removeIfThere(fileSystem, path);
    return !grown;
  } finally {
    file.unlockSync();
  }
}
