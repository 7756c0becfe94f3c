import type { CallRecord } from "../../call/call_record.ts";
import { CLOCK_LAG } from "../../disk/file_clock.ts";
import { type FileIdentity, lookAt } from "../../disk/file_system.ts";
import { listNames } from "../../disk/layout.ts";
import type { CallFeed, RecordChange } from "../../disk/stores.ts";
import type { Digest } from "../../value/value.ts";
import type { PrefixDirectory } from "./prefix_directories.ts";

/** What a {@linkcode FileFeed} follows. */
export interface FileFeedOptions {
  /** The directories that are there. */
  readonly directories: () => Iterable<PrefixDirectory>;
  /** The key that a file is named by; `undefined` where it is somebody else's. */
  readonly toKey: (prefix: string, name: string) => Digest | undefined;
  /** Reads a record. */
  readonly get: (key: Digest) => CallRecord | undefined;
  /** Tells the time by the clock of files, in milliseconds since 1970. */
  readonly readClock: () => number;
}

/** A record's file, as it was when it was last looked at: one that takes its place is another one. */
interface SeenFile extends FileIdentity {
  /** When it was written, in milliseconds since 1970. */
  readonly written: number;
}

/** A file that is to be read, and when it was written. */
interface WrittenFile {
  readonly key: Digest;
  readonly written: number;
}

/** A directory, as it was when it was last looked at. */
interface SeenDirectory extends FileIdentity {
  /** When names in it changed last, in milliseconds since 1970; unknown while that may be again. */
  readonly changed: number | undefined;
  readonly files: ReadonlyMap<Digest, SeenFile>;
}

/**
 * Follows records of which each has a file of its own, by when names in their directories changed:
 * whoever writes or removes one changes that, whatever program it is.
 *
 * Two changes in one tick of the clock look like one, so a directory that has changed just now is looked
 * into once more.
 */
export class FileFeed implements CallFeed {
  readonly #options: FileFeedOptions;
  readonly #seen = new Map<string, SeenDirectory>();
  #started = false;

  /**
   * Looks at nothing yet.
   *
   * @param options What is followed.
   */
  constructor(options: FileFeedOptions) {
    this.#options = options;
  }

  /** As the interface says. */
  read(): Iterable<RecordChange> {
    const changes: RecordChange[] = this.#started ? [] : [{ type: "reset" }];
    this.#started = true;
    const put: WrittenFile[] = [];
    let now: number | undefined;
    const gone = new Set(this.#seen.keys());
    for (const directory of this.#options.directories()) {
      gone.delete(directory.path);
      const before = this.#seen.get(directory.path);
      const there = lookAt(directory.path);
      if (there === undefined || before !== undefined && isUnchanged(before, there)) continue;
      // Before names are listed: what changes from here on does so later.
      now ??= this.#options.readClock();
      const files = this.#list(directory);
      for (const [key, file] of files) {
        const known = before?.files.get(key);
        if (known === undefined || !isSame(known, file)) put.push({ key, written: file.written });
      }
      for (const key of before?.files.keys() ?? []) {
        if (!files.has(key)) changes.push({ type: "delete", key });
      }
      const changed = toTime(there);
      const settled = changed < now - CLOCK_LAG ? changed : undefined;
      this.#seen.set(directory.path, { dev: there.dev, ino: there.ino, changed: settled, files });
    }
    for (const path of gone) {
      for (const key of this.#seen.get(path)?.files.keys() ?? []) {
        changes.push({ type: "delete", key });
      }
      this.#seen.delete(path);
    }
    return changes.concat(this.#read(put));
  }

  /** Reads records in the order in which their files were written. */
  #read(files: readonly WrittenFile[]): RecordChange[] {
    const changes = files.map(({ key, written }) => {
      const record = this.#options.get(key);
      if (record === undefined) {
        return { written, ended: 0, change: { type: "delete", key } as const };
      }
      const ended = record.started + record.duration;
      return { written, ended, change: { type: "put", record } as const };
    });
    // Of those that were written in one tick of the clock, the one that ended first came first.
    changes.sort((a, b) => a.written - b.written || a.ended - b.ended);
    return changes.map(({ change }) => change);
  }

  #list({ prefix, path }: PrefixDirectory): Map<Digest, SeenFile> {
    const files = new Map<Digest, SeenFile>();
    for (const name of listNames(path)) {
      const key = this.#options.toKey(prefix, name);
      const there = key === undefined ? undefined : lookAt(`${path}/${name}`);
      if (key === undefined || there?.isFile !== true) continue;
      files.set(key, { dev: there.dev, ino: there.ino, written: toTime(there) });
    }
    return files;
  }
}

function isUnchanged({ dev, ino, changed }: SeenDirectory, there: Deno.FileInfo): boolean {
  return changed !== undefined && dev === there.dev && ino === there.ino &&
    changed === toTime(there);
}

function isSame(one: SeenFile, other: SeenFile): boolean {
  return one.ino === other.ino && one.dev === other.dev && one.written === other.written;
}

function toTime({ mtime }: Deno.FileInfo): number {
  return mtime?.getTime() ?? 0;
}
