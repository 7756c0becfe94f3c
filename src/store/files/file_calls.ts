import { decodeCheckedLine, LONGEST_LINE_BYTES } from "../../disk/checked_line.ts";
import { type CacheGuard, isDigest } from "../../disk/disk_storage.ts";
import { KeyedCalls } from "../../disk/disk_stores.ts";
import { type FileSystem, readWhole, removeIfThere } from "../../disk/file_system.ts";
import { listNames } from "../../disk/layout.ts";
import type { CallFeed, TellDamaged } from "../../disk/stores.ts";
import type { Digest } from "../../value/value.ts";
import { FileFeed } from "./file_feed.ts";
import type { FileReplacer } from "./file_replacer.ts";
import { PrefixDirectories, toName } from "./prefix_directories.ts";

/** How the name of a record's file ends. */
const SUFFIX = ".json";

/** What the records of a file cache stand on. */
export interface FileCallsOptions {
  /** The seam. */
  readonly fileSystem: FileSystem;
  /** Says what may be done. */
  readonly guard: CacheGuard;
  /** Where the records lie. */
  readonly path: string;
  /** Gives files new content. */
  readonly replacer: FileReplacer;
  /** Tells the time by the clock of files, in milliseconds since 1970. */
  readonly readClock: () => number;
}

/** Each record in a file of its own. */
export class FileCalls extends KeyedCalls {
  readonly #options: FileCallsOptions;
  readonly #directories: PrefixDirectories;

  /**
   * Takes what they stand on.
   *
   * @param options What that is.
   */
  constructor(options: FileCallsOptions) {
    super(options.guard);
    this.#options = options;
    this.#directories = new PrefixDirectories(options.path);
  }

  protected override write(key: Digest, line: Uint8Array<ArrayBuffer>): void {
    const name = `${toName(key)}${SUFFIX}`;
    this.#options.replacer.replace(this.#directories.of(key), name, [line]);
  }

  getLine(key: Digest): Record<string, unknown> | undefined {
    this.guard.checkOpen("read from");
    if (!isDigest(key)) return undefined;
    const bytes = readWhole(this.#toPath(key), LONGEST_LINE_BYTES + 2);
    const line = bytes && decodeCheckedLine(bytes.subarray(1, -1));
    return line?.key === key ? line : undefined;
  }

  delete(key: Digest): boolean {
    this.guard.checkWritable("delete a call from");
    if (this.getLine(key) === undefined) return false;
    removeIfThere(this.#options.fileSystem, this.#toPath(key));
    this.noteForgotten(key);
    return true;
  }

  *lines(damaged?: TellDamaged): Generator<Record<string, unknown>> {
    this.guard.checkOpen("read from");
    for (const { prefix, path: directory } of this.#directories.all()) {
      for (const name of listNames(directory)) {
        const key = toKey(prefix, name);
        const line = this.getLine(key);
        if (line !== undefined) yield line;
        if (line !== undefined || damaged === undefined || !isDigest(key)) continue;
        // A file that is gone was deleted while others were read.
        const path = `${directory}/${name}`;
        if (readWhole(path) !== undefined) damaged(`"${path}"`);
      }
    }
  }

  /** As the interface says, the records in the order in which their files were written. */
  feed(): CallFeed {
    const { readClock } = this.#options;
    return new FileFeed({
      directories: () => this.#directories.all(),
      toKey: (prefix, name) => isDigest(toKey(prefix, name)) ? toKey(prefix, name) : undefined,
      get: (key) => this.get(key),
      readClock,
    });
  }

  #toPath(key: Digest): string {
    return `${this.#directories.of(key)}/${toName(key)}${SUFFIX}`;
  }
}

function toKey(prefix: string, name: string): Digest {
  return `${prefix}${name.slice(0, -SUFFIX.length)}`;
}
