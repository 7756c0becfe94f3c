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
  readWhole,
  SMALL_FILE_BYTES,
  writeAll,
} from "./file_system.ts";
import type { MaybePromise } from "./stores.ts";

/** For so long a lock that is taken again and again is trusted to be that of its name, in milliseconds. */
const TRUSTED = 100;

/** How often a lock is taken anew whose file somebody puts another one in the place of. */
const MOST_FILES = 100;

const TRIES = 200;
const PAUSE = 1;

/** For how long a lock is waited for that others hold for moments, in milliseconds. */
const PATIENCE = 30_000;
const LONGEST_PAUSE = 50;

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
 *
 * Whoever holds it alone may be stopped, for hours: nobody waits for that without giving way to others,
 * nor for ever. So it says in the file who it is.
 */
export class LockFile implements Disposable {
  readonly #fileSystem: FileSystem;
  readonly #path: string;
  readonly #guard: Pick<CacheGuard, "checkThere">;
  #open: OpenFile | undefined;
  #disposed = false;

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

  /**
   * Runs something while nobody holds the lock alone; others may share it.
   *
   * @typeParam T What it returns.
   * @param fn What to run; synchronous.
   * @param patience For how long whoever holds it alone is waited for, in milliseconds.
   * @returns What it returns: at once where the lock is free, as it nearly always is. Rejects with a
   * {@linkcode QuiverError} that names who holds it, when patience ends.
   */
  share<T>(fn: () => T, patience: number = PATIENCE): MaybePromise<T> {
    return this.#take((file) => file.tryLockSync(false))
      ? this.#runLocked(fn)
      : this.#shareLater(fn, patience);
  }

  async #shareLater<T>(fn: () => T, patience: number): Promise<T> {
    const end = performance.now() + patience;
    for (let pause = PAUSE; performance.now() < end; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      await sleep(pause);
      if (!this.#take((file) => file.tryLockSync(false))) continue;
      try {
        return this.#runLocked(fn);
      } finally {
        // Whoever let go of it meanwhile will not do so again.
        if (this.#disposed) this.#close();
      }
    }
    throw new QuiverError(
      `Cannot lock "${this.#path}": it was held for ${patience} ms by ${
        readHolder(this.#path)
      }; if that ` +
        "is stopped, let it go on or end it",
    );
  }

  #runLocked<T>(fn: () => T): T {
    try {
      return fn();
    } finally {
      this.unlock();
    }
  }

  /**
   * Takes the lock alone, if it is free.
   *
   * @returns Whether it was.
   */
  tryLock(): boolean {
    const taken = this.#take((file) => file.tryLockSync(true), 0);
    if (taken) this.#writeHolder();
    return taken;
  }

  /** Best effort: it is for people, and who may not write there locks all the same. */
  #writeHolder(): void {
    const file = this.#open?.file;
    if (file === undefined) return;
    const host = isGranted("sys", "hostname") ? { host: Deno.hostname() } : {};
    const note = { ...host, pid: Deno.pid, since: new Date().toISOString() };
    try {
      this.#fileSystem.truncate(file, 0);
      file.seekSync(0, Deno.SeekMode.Start);
      writeAll(this.#fileSystem, file, new TextEncoder().encode(`${JSON.stringify(note)}\n`));
    } catch {
      return;
    }
  }

  /**
   * Takes the lock alone, after all who hold it for moments. It is tried for rather than waited for: a
   * wait ends in another thread, before the code behind it runs, and who asks for a shared lock
   * meanwhile in this thread would stop both.
   */
  async lock(): Promise<void> {
    for (let pause = PAUSE;; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      for (let attempt = 0; attempt < TRIES; attempt++) if (this.tryLock()) return;
      await sleep(pause);
    }
  }

  /** Frees the lock. */
  unlock(): void {
    this.#open?.file.unlockSync();
  }

  /** Frees the lock, and lets go of the file. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#close();
  }

  #close(): void {
    this.#open?.file.close();
    this.#open = undefined;
  }

  #take(lock: (file: Deno.FsFile) => boolean, trusted: number = TRUSTED): boolean {
    for (let attempt = 0; attempt < MOST_FILES; attempt++) {
      const open = this.#open ??= this.#openFile();
      const taken = lock(open.file);
      const now = performance.now();
      if (taken && now - open.looked < trusted) return true;
      if (isSameFile(this.#path, open)) {
        if (taken) open.looked = now;
        return taken;
      }
      this.#close();
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

/**
 * Tells who holds a lock alone, in words.
 *
 * @param path The lock.
 */
export function readHolder(path: string): string {
  const text = new TextDecoder().decode(readWhole(path, SMALL_FILE_BYTES)).trim();
  return text === "" ? "a process that has not said who it is" : `the process ${text}`;
}

function isGranted(name: "sys", kind: "hostname"): boolean {
  return Deno.permissions.querySync({ name, kind }).state === "granted";
}
