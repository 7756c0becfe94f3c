import type { FileDigestLog, HashedFile } from "../value/file/file_digests.ts";
import { decodeCheckedLine, encodeCheckedLine } from "./checked_line.ts";
import { LineLog, type LineLogOptions } from "./line_log.ts";

/** From this size on, in bytes, the file is written anew with its newest half. */
const MOST_BYTES = 2 ** 23;

/** Options of {@linkcode DiskFileDigests}. */
interface DiskFileDigestsOptions extends LineLogOptions {
  /** Told, once, why nothing is kept or read. */
  readonly fault: (error: unknown) => void;
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
  readonly #log: LineLog;
  #failed = false;

  /** Opens nothing yet. */
  constructor(options: DiskFileDigestsOptions) {
    this.#options = options;
    this.#log = new LineLog(options);
  }

  /** As the interface says. */
  read(): HashedFile[] {
    return this.#attempt(() => toHashedFiles(this.#log.read().lines)) ?? [];
  }

  /** As the interface says. */
  append(hashed: HashedFile): void {
    if (!this.#options.writable) return;
    this.#attempt(() => {
      const { mostBytes = MOST_BYTES } = this.#options;
      if (this.#log.size >= mostBytes) this.#halve(mostBytes);
      this.#log.append(toLine(hashed));
    });
  }

  #halve(mostBytes: number): void {
    const newest = new Map<string, Uint8Array>();
    for (const hashed of toHashedFiles(this.#log.readAll())) {
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
    this.#log.replace(lines.slice(first));
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
function toHashedFiles(lines: Iterable<Uint8Array>): HashedFile[] {
  return Array.from(lines, (line) => toHashed(decodeCheckedLine(line) ?? {}))
    .filter((hashed) => hashed !== undefined);
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
