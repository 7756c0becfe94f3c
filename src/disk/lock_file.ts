import { dirname } from "node:path";
import { sleep } from "../base/abortable.ts";
import { QuiverError } from "../base/errors.ts";
import type { CacheGuard } from "./disk_storage.ts";
import {
  type FileIdentity,
  type FileSystem,
  isSameFile,
  openIfThere,
  openShared,
} from "./file_system.ts";

/** For so long a lock that is taken again and again is trusted to be that of its name, in milliseconds. */
const TRUSTED = 100;

/** How often a lock is taken anew whose file somebody puts another one in the place of. */
const MOST_FILES = 100;

const TRIES = 200;
const PAUSE = 1;

/** The file of a lock that is open. */
interface OpenFile extends FileIdentity {
  readonly file: Deno.FsFile;
  /** When it was last seen under its name. */
  looked: number;
}

/**
 * A lock that has a name: a file that stays open, is made where it is missing, and holds nothing. Who
 * may not write to it locks it all the same.
 *
 * A cleaner may remove the file, and the next one who comes makes another: whoever then still holds
 * the first one excludes nobody. So a lock counts only if its file still has the name.
 */
export class LockFile implements Disposable {
  readonly #fileSystem: FileSystem;
  readonly #path: string;
  readonly #guard: Pick<CacheGuard, "checkThere">;
  #open: OpenFile | undefined;

  /**
   * Creates it; no file is opened before the lock is first taken.
   *
   * @param guard Says whether the cache is there whose lock it is.
   */
  constructor(fileSystem: FileSystem, path: string, guard: Pick<CacheGuard, "checkThere">) {
    this.#fileSystem = fileSystem;
    this.#path = path;
    this.#guard = guard;
  }

  /** Takes the lock together with others who share it, after whoever holds it alone. */
  lockShared(): void {
    this.#take((file) => {
      file.lockSync(false);
      return true;
    });
  }

  /**
   * Takes the lock alone, if it is free.
   *
   * @returns Whether it was.
   */
  tryLock(): boolean {
    return this.#take((file) => file.tryLockSync(true), 0);
  }

  /**
   * Takes the lock alone, after all who hold it for moments. It is tried for rather than waited for: a
   * wait ends in another thread, before the code behind it runs, and who asks for a shared lock
   * meanwhile in this thread would stop both.
   */
  async lock(): Promise<void> {
    for (;;) {
      for (let attempt = 0; attempt < TRIES; attempt++) if (this.tryLock()) return;
      await sleep(PAUSE);
    }
  }

  /** Frees the lock. */
  unlock(): void {
    this.#open?.file.unlockSync();
  }

  /** Frees the lock, and lets go of the file. */
  [Symbol.dispose](): void {
    this.#open?.file.close();
    this.#open = undefined;
  }

  #take(lock: (file: Deno.FsFile) => boolean, trusted: number = TRUSTED): boolean {
    for (let attempt = 0; attempt < MOST_FILES; attempt++) {
      const open = this.#open ??= this.#openFile();
      if (!lock(open.file)) return false;
      const now = performance.now();
      if (now - open.looked < trusted) return true;
      if (isSameFile(this.#path, open)) {
        open.looked = now;
        return true;
      }
      this[Symbol.dispose]();
    }
    throw new QuiverError(
      `Cannot lock "${this.#path}": somebody replaces the file again and again`,
    );
  }

  #openFile(): OpenFile {
    const file = this.#openAnyhow();
    const { dev, ino } = file.statSync();
    return { file, dev, ino, looked: -Infinity };
  }

  #openAnyhow(): Deno.FsFile {
    const open = () => openShared(this.#fileSystem, this.#path, { write: true });
    try {
      return open();
    } catch (error) {
      if (error instanceof Deno.errors.PermissionDenied) {
        const file = openIfThere(this.#path);
        if (file !== undefined) return file;
      }
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      this.#guard.checkThere();
      // A cleaner has removed the directory.
      this.#fileSystem.makeDirectory(dirname(this.#path));
      return open();
    }
  }
}
