import { createSha256 } from "../../base/sha256.ts";
import type { Digest } from "../value.ts";
import {
  digestTree,
  type FileStamp,
  readFile,
  readTree,
  statFile,
  toMark,
  toStamp,
} from "./file_content.ts";
import type { FileContent } from "./file_state.ts";

/** What a file was when it was hashed. */
export interface HashedFile {
  /** What the system said of it. */
  readonly stamp: FileStamp;
  /** The SHA-256 of its bytes. */
  readonly digest: Digest;
}

/** Keeps what was hashed for other isolates and later programs; never throws. */
export interface FileDigestLog {
  /** Gives what was kept since the last time. */
  read(): Iterable<HashedFile>;
  /** Keeps one more. */
  append(hashed: HashedFile): void;
}

/**
 * A file that was changed so short a time before it was hashed, in milliseconds, may be changed once
 * more without getting another time: some file systems count in steps of two seconds.
 */
const COARSEST_STEP = 2000;

/** How many files are remembered for certain; up to twice as many are. */
const LIMIT = 65_536;

/** Remembers what files were when they were hashed, so that each is hashed once for each change. */
export class FileDigests {
  readonly #log: FileDigestLog | undefined;
  #recent = new Map<string, Digest>();
  #older: ReadonlyMap<string, Digest> = new Map();

  /**
   * Remembers nothing yet.
   *
   * @param log Keeps it beyond this isolate, if anything does.
   */
  constructor(log?: FileDigestLog) {
    this.#log = log;
  }

  /**
   * Finds out what a file or directory holds.
   *
   * @param path Where it is; a link is followed.
   * @param always Whether it is hashed in any case.
   * @throws {FileError} When there is none, it is something else, cannot be read, or does not stop
   * changing.
   * @throws {Deno.errors.NotCapable} Without `--allow-read` of it.
   */
  contentOf(path: string, always: boolean = false): FileContent {
    const info = statFile(path);
    if (!info.isDirectory) return { directory: false, ...this.#hash(path, info, always) };
    let size = 0;
    const items = readTree(path, (place, { path, executable }) => {
      const hashed = this.#hash(place, statFile(place), always);
      size += hashed.size;
      return { type: "file", path, executable, ...hashed } as const;
    });
    return { directory: true, digest: digestTree(items), size };
  }

  #hash(
    path: string,
    info: Deno.FileInfo,
    always: boolean,
  ): { readonly digest: Digest; readonly size: number } {
    const known = always || !info.isFile ? undefined : this.#find(toMark(toStamp(info)));
    if (known !== undefined) return { digest: known, size: info.size };
    const { stamp, size, openedAt, taker } = readFile(path, createSha256);
    const digest = taker.digest("hex");
    const isSettled = openedAt - Math.max(stamp.mtime, stamp.ctime) >= COARSEST_STEP;
    if (isSettled && stamp.ino !== 0) this.#keep({ stamp, digest });
    return { digest, size };
  }

  #find(mark: string): Digest | undefined {
    const known = this.#recent.get(mark) ?? this.#older.get(mark);
    if (known !== undefined || this.#log === undefined) return known;
    for (const { stamp, digest } of this.#log.read()) this.#remember(toMark(stamp), digest);
    return this.#recent.get(mark) ?? this.#older.get(mark);
  }

  #keep(hashed: HashedFile): void {
    const mark = toMark(hashed.stamp);
    const isNew = this.#find(mark) !== hashed.digest;
    this.#remember(mark, hashed.digest);
    if (isNew) this.#log?.append(hashed);
  }

  #remember(mark: string, digest: Digest): void {
    if (this.#recent.size >= LIMIT) {
      this.#older = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(mark, digest);
  }
}
