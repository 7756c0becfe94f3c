import type { FileDigestLog, HashedFile } from "../value/file/file_digests.ts";
import { decodeCheckedLine, encodeCheckedLine } from "./checked_line.ts";
import {
  DISK,
  type FileSystem,
  lookAt,
  openShared,
  readAt,
  replaceFile,
  writeAll,
} from "./file_system.ts";
import { likeDirectory } from "./ownership.ts";

/** From this size on, in bytes, the file is written anew with its newest half. */
const MOST_BYTES = 2 ** 23;

const LINE_FEED = 0x0a;

/** Options of {@linkcode DiskFileDigests}. */
interface DiskFileDigestsOptions {
  /** The directory of the cache. */
  readonly root: string;
  /** Where the lines are. */
  readonly path: string;
  /** Whether lines may be added. */
  readonly writable: boolean;
  /** Told, once, why nothing is kept or read. */
  readonly fault: (error: unknown) => void;
  /**
   * What it stands on.
   *
   * @default {DISK}
   */
  readonly fileSystem?: FileSystem;
  /**
   * From which size on the file is written anew, in bytes.
   *
   * @default {8388608}
   */
  readonly mostBytes?: number;
}

/**
 * What files were when they were hashed, in a file of the bag's directory: a checked line for each.
 * `FORMAT.md` specifies it ("files.jsonl"). It is of use and no more: what is damaged or missing is
 * hashed again, and where it cannot be written each program hashes for itself.
 */
export class DiskFileDigests implements FileDigestLog {
  readonly #options: DiskFileDigestsOptions;
  readonly #fileSystem: FileSystem;
  /** How far the file was read, and which one it was. */
  #read = { ino: -1, length: 0 };
  #failed = false;

  /** Opens nothing yet. */
  constructor(options: DiskFileDigestsOptions) {
    this.#options = options;
    const { fileSystem = DISK, root, writable } = options;
    this.#fileSystem = writable ? likeDirectory(fileSystem, root) : fileSystem;
  }

  /** As the interface says. */
  read(): HashedFile[] {
    return this.#attempt(() => this.#readNew()) ?? [];
  }

  #readNew(): HashedFile[] {
    const { path } = this.#options;
    const info = lookAt(path);
    if (info === undefined) return [];
    const ino = info.ino ?? 0;
    const from = ino === this.#read.ino && info.size >= this.#read.length ? this.#read.length : 0;
    if (info.size === from) return [];
    using file = this.#fileSystem.open(path, { read: true });
    const bytes = new Uint8Array(info.size - from);
    if (!readAt(file, from, bytes)) return [];
    // A line without its end may still be written.
    const whole = bytes.subarray(0, bytes.lastIndexOf(LINE_FEED) + 1);
    this.#read = { ino, length: from + whole.length };
    return toLines(whole);
  }

  /** As the interface says. */
  append(hashed: HashedFile): void {
    if (!this.#options.writable) return;
    this.#attempt(() => {
      const { path, mostBytes = MOST_BYTES } = this.#options;
      if ((lookAt(path)?.size ?? 0) >= mostBytes) this.#halve(path, mostBytes);
      using file = openShared(this.#fileSystem, path, { append: true });
      writeAll(this.#fileSystem, file, toLine(hashed));
    });
  }

  /** Whoever adds a line meanwhile has it hashed again. */
  #halve(path: string, mostBytes: number): void {
    this.#read = { ino: -1, length: 0 };
    const newest = new Map<string, Uint8Array>();
    for (const hashed of this.#readNew()) {
      const { dev, ino } = hashed.stamp;
      newest.delete(`${dev},${ino}`);
      newest.set(`${dev},${ino}`, toLine(hashed));
    }
    const lines = [...newest.values()];
    let bytes = lines.reduce((sum, line) => sum + line.length, 0);
    let first = 0;
    for (const line of lines) {
      if (bytes <= mostBytes / 2) break;
      bytes -= line.length;
      first++;
    }
    replaceFile(this.#fileSystem, path, lines.slice(first));
    this.#read = { ino: -1, length: 0 };
  }

  /** A fault is no reason to fail a call: it is told, and the file is left alone from then on. */
  #attempt<T>(fn: () => T): T | undefined {
    if (this.#failed) return undefined;
    try {
      return fn();
    } catch (error) {
      this.#failed = true;
      this.#options.fault(error);
      return undefined;
    }
  }
}

function toLine({ stamp, digest }: HashedFile): Uint8Array<ArrayBuffer> {
  return encodeCheckedLine(JSON.stringify({ ...stamp, digest }).slice(0, -1));
}

/** What is damaged is left out: it is hashed again. */
function toLines(bytes: Uint8Array): HashedFile[] {
  const found: HashedFile[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(LINE_FEED, at);
    const line = end > at ? decodeCheckedLine(bytes.subarray(at, end)) : undefined;
    const hashed = line && toHashed(line);
    if (hashed !== undefined) found.push(hashed);
    at = end + 1;
  }
  return found;
}

const DIGEST_REGEXP = /^[0-9a-f]{64}$/;

function toHashed(
  { dev, ino, size, mtime, ctime, digest }: Record<string, unknown>,
): HashedFile | undefined {
  if (typeof digest !== "string" || !DIGEST_REGEXP.test(digest)) return undefined;
  if (
    typeof dev !== "number" || typeof ino !== "number" || typeof size !== "number" ||
    typeof mtime !== "number" || typeof ctime !== "number"
  ) return undefined;
  return { stamp: { dev, ino, size, mtime, ctime }, digest };
}
