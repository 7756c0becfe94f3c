import { QuiverError } from "../../base/errors.ts";
import { isOfSystem } from "../../base/system_error.ts";
import {
  type FileSystem,
  lookAt,
  openIfThere,
  readPieces,
  removeIfThere,
  toTemporaryPath,
  writeAll,
} from "../../disk/file_system.ts";
import type { BackupProgress } from "./backup_options.ts";

/** What a copier stands on. */
export interface FileCopierOptions {
  /** What makes files in the backup. */
  readonly fileSystem: FileSystem;
  /** Whether files that never change become hard links where that is possible. */
  readonly links: boolean;
  /** Called between two pieces of a file; throws when the backup is to end. */
  readonly pause: (state: BackupProgress) => Promise<void>;
}

/** Brings files from a bag into a backup, and counts them. */
export class FileCopier {
  readonly #options: FileCopierOptions;
  #copied = 0;
  #linked = 0;
  #bytes = 0;

  /**
   * Has brought nothing yet.
   *
   * @param options What it stands on.
   */
  constructor(options: FileCopierOptions) {
    this.#options = options;
  }

  /** What was done so far. */
  get state(): BackupProgress {
    return { copied: this.#copied, linked: this.#linked, bytes: this.#bytes };
  }

  /**
   * Brings a file that never changes.
   *
   * @param from The file.
   * @param to A name that nothing has.
   * @returns Whether there was such a file.
   */
  async bring(from: string, to: string): Promise<boolean> {
    if (this.#options.links && this.#link(from, to)) {
      this.#linked++;
      await this.#options.pause(this.state);
      return true;
    }
    using file = openIfThere(from);
    if (file === undefined) return false;
    await this.replace(file, file.seekSync(0, Deno.SeekMode.End), to);
    return true;
  }

  #link(from: string, to: string): boolean {
    if (lookAt(from)?.isFile !== true) return false;
    try {
      this.#options.fileSystem.link(from, to);
      return true;
    } catch {
      // It is on another disk, of a kind without links, somebody else's, or there are too many already:
      // whether it can be copied is asked next.
      return false;
    }
  }

  /**
   * Copies the begin of a file, and puts it in the place of what is there in one step.
   *
   * @param file The file.
   * @param length How much of it, in bytes.
   * @param to The name of the copy.
   * @param temporary The name that it has until it is complete.
   */
  async replace(
    file: Deno.FsFile,
    length: number,
    to: string,
    temporary: string = toTemporaryPath(to),
  ): Promise<void> {
    const { fileSystem } = this.#options;
    try {
      await this.#write(to, file, [0, length], () => {
        return fileSystem.open(temporary, { write: true, createNew: true });
      });
      fileSystem.rename(temporary, to);
    } catch (error) {
      removeQuietly(fileSystem, temporary);
      throw error;
    }
  }

  /**
   * Copies a part of a file to where it belongs in the copy, which ends there.
   *
   * @param file The file.
   * @param range From where to where, in bytes.
   * @param to The copy; it is made if it is missing.
   */
  async extend(
    file: Deno.FsFile,
    range: readonly [begin: number, end: number],
    to: string,
  ): Promise<void> {
    const { fileSystem } = this.#options;
    await this.#write(to, file, range, () => {
      return fileSystem.open(to, { write: true, create: true });
    });
  }

  async #write(
    to: string,
    file: Deno.FsFile,
    [begin, end]: readonly [begin: number, end: number],
    open: () => Deno.FsFile,
  ): Promise<void> {
    const { fileSystem, pause } = this.#options;
    try {
      using copy = open();
      copy.seekSync(begin, Deno.SeekMode.Start);
      let at = begin;
      for (const piece of readPieces(file, begin, end)) {
        writeAll(fileSystem, copy, piece);
        at += piece.length;
        this.#bytes += piece.length;
        await pause(this.state);
      }
      if (at < end) {
        throw new QuiverError(
          `Cannot copy to "${to}": the file has become shorter than ${end} bytes meanwhile`,
        );
      }
      fileSystem.sync(copy);
      this.#copied++;
    } catch (cause) {
      if (!(cause instanceof Error && isOfSystem(cause))) throw cause;
      throw new QuiverError(
        `Cannot copy to "${to}": ${cause.message}; what is complete stays, and the next backup goes on ` +
          "from there",
        { cause },
      );
    }
  }
}

function removeQuietly(fileSystem: FileSystem, path: string): void {
  try {
    removeIfThere(fileSystem, path);
  } catch {
    // The caller learns of the error that came first, and the next backup or fold clears it away.
  }
}
