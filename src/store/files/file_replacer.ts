import { QuiverError } from "../../base/errors.ts";
import type { CacheGuard } from "../../disk/disk_storage.ts";
import { type FileSystem, openIfThere, removeIfThere, writeAll } from "../../disk/file_system.ts";
import { listNames } from "../../disk/layout.ts";

/** What a writer names a file that is not finished: its own name, and a number. */
const NAME_REGEXP = /^[0-9a-f-]{36}-\d+$/;

/** How often a file is written that others take for one of a dead writer, or that has no directory. */
const MOST_ATTEMPTS = 100;

/** What a {@linkcode FileReplacer} needs to know. */
export interface FileReplacerOptions {
  /** The seam. */
  readonly fileSystem: FileSystem;
  /** Says whether the cache is still there. */
  readonly guard: CacheGuard;
  /** Where files lie that are not finished. */
  readonly directory: string;
  /** Whether each file is brought to the disk itself before it counts as written. */
  readonly sync: boolean;
}

/**
 * Gives files new content in one step: it is written under another name, and then renamed.
 *
 * A file that is being written is locked, so that what a killed writer left can be told from what is
 * still being written.
 */
export class FileReplacer {
  readonly #options: FileReplacerOptions;
  readonly #writer = crypto.randomUUID();
  #count = 0;

  /**
   * Creates a replacer.
   *
   * @param options What it needs to know.
   */
  constructor(options: FileReplacerOptions) {
    this.#options = options;
  }

  /**
   * Gives a file new content; readers see the old content or the new, never a part.
   *
   * @param directory Where the file lies; it is made if it is missing.
   * @param name The file's name in there.
   * @param chunks The new content, in pieces.
   */
  replace(directory: string, name: string, chunks: readonly Uint8Array[]): void {
    const { fileSystem, guard, sync, directory: unfinished } = this.#options;
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      if (this.#tryReplace(directory, name, chunks)) {
        if (sync) fileSystem.syncDirectory(directory);
        return;
      }
      guard.checkThere();
      // It may be there by now: two handles may need the same one at the same time.
      for (const missing of [unfinished, directory]) fileSystem.makeDirectory(missing);
      if (sync) fileSystem.syncDirectory(`${directory}/..`);
    }
    throw new QuiverError(
      `Cannot write "${directory}/${name}": somebody removes what is not finished again and again`,
    );
  }

  /** `false` when there is no such directory, or another handle has taken the file for a dead one's. */
  #tryReplace(directory: string, name: string, chunks: readonly Uint8Array[]): boolean {
    const { fileSystem, sync, directory: unfinished } = this.#options;
    const temporary = `${unfinished}/${this.#writer}-${this.#count++}`;
    try {
      using file = fileSystem.open(temporary, { write: true, createNew: true });
      if (!file.tryLockSync(true)) return false;
      for (const chunk of chunks) writeAll(fileSystem, file, chunk);
      if (sync) fileSystem.sync(file);
      fileSystem.rename(temporary, `${directory}/${name}`);
      return true;
    } catch (error) {
      removeIfThere(fileSystem, temporary);
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  /** Removes what killed writers have left. Files of others are left alone. */
  clear(): void {
    const { fileSystem, directory } = this.#options;
    for (const name of listNames(directory).filter((name) => NAME_REGEXP.test(name))) {
      using file = openIfThere(`${directory}/${name}`);
      if (file?.tryLockSync(true)) removeIfThere(fileSystem, `${directory}/${name}`);
    }
  }
}
