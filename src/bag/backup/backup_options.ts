// What a backup is asked and what it tells: data that a program can print.

/** Options of `Bag.backup()`. */
export interface BackupOptions {
  /**
   * Whether sealed segments, which never change, become hard links where that is possible: they take no
   * time and no space. A link guards against files that are removed or replaced, not against a program
   * that writes into one, nor a failing disk: for that choose a directory on another disk, where all is
   * copied anyway, or `false`.
   *
   * @default {true}
   */
  links?: boolean;
  /** Ends the backup between two pieces of a file with the signal's reason; the next one goes on from there. */
  signal?: AbortSignal;
  /** Told now and then how far the backup is. */
  progress?: { update(state: BackupProgress): void };
}

/** How far a backup is. */
export interface BackupProgress {
  /** How many files were copied, or had something appended that is new. */
  readonly copied: number;
  /** How many files were linked. */
  readonly linked: number;
  /** How many bytes were copied; those of linked files are not counted. */
  readonly bytes: number;
}

/** What a backup did. */
export interface BackupResult extends BackupProgress {
  /** The absolute path of the directory: open it with `openBag` to restore what is in it. */
  readonly path: string;
  /** How many calls are in it. */
  readonly calls: number;
  /** How many files were removed as the bag has dropped what was in them. */
  readonly removed: number;
}
