import { isCheckedLine } from "./checked_line.ts";
import {
  DISK,
  type FileSystem,
  isSameFile,
  lookAt,
  openIfThere,
  openShared,
  readAt,
  replaceFile,
  writeAll,
} from "./file_system.ts";
import { likeDirectory } from "./ownership.ts";

const LINE_FEED = 0x0a;

/** So often a line is added again to a file that another has just taken the place of. */
const MOST_ATTEMPTS = 4;

/** Options of {@linkcode LineLog}, and of what is kept in one. */
export interface LineLogOptions {
  /** The directory of the cache. */
  readonly root: string;
  /** Where the lines are. */
  readonly path: string;
  /** Whether lines may be added. */
  readonly writable: boolean;
  /**
   * What it stands on.
   *
   * @default {DISK}
   */
  readonly fileSystem?: FileSystem;
}

/** What is new in a file of lines. */
interface NewLines {
  /** Whether these are all lines: it is the first look, or the file is another one, or none. */
  readonly all: boolean;
  /** The lines without line feeds, empty ones left out. */
  readonly lines: Iterable<Uint8Array>;
}

/**
 * A file of checked lines to which many handles add, and which is now and then written anew. What it
 * holds is of use and no more: no line is synced, and what is damaged is passed over by who reads it.
 */
export class LineLog {
  readonly #path: string;
  readonly #fileSystem: FileSystem;
  /** How far the file was read, and which one it was. */
  #read = { ino: -1, length: 0 };

  /** Opens nothing yet. */
  constructor({ fileSystem = DISK, root, path, writable }: LineLogOptions) {
    this.#path = path;
    this.#fileSystem = writable ? likeDirectory(fileSystem, root) : fileSystem;
  }

  /** How many bytes it has. */
  get size(): number {
    return lookAt(this.#path)?.size ?? 0;
  }

  /**
   * Reads what is new.
   *
   * @param most How many bytes are read at most, the last.
   */
  read(most: number = Infinity): NewLines {
    const info = lookAt(this.#path);
    const { ino, size } = { ino: info?.ino ?? 0, size: info?.size ?? 0 };
    const all = info === undefined || ino !== this.#read.ino || size < this.#read.length;
    const from = Math.max(all ? 0 : this.#read.length, size - most);
    if (size === from) return { all, lines: [] };
    using file = this.#fileSystem.open(this.#path, { read: true });
    const bytes = new Uint8Array(size - from);
    if (!readAt(file, from, bytes)) return { all, lines: [] };
    // A line without its end may still be written.
    const whole = bytes.subarray(0, bytes.lastIndexOf(LINE_FEED) + 1);
    this.#read = { ino, length: from + whole.length };
    return { all, lines: toLines(whole) };
  }

  /** Reads all lines, those included that were read before. */
  readAll(): Iterable<Uint8Array> {
    this.#read = { ino: -1, length: 0 };
    return this.read().lines;
  }

  /** Reads all lines that end with their checksums, between line feeds, as they are written. */
  *readSound(): Generator<Uint8Array> {
    for (const line of this.readAll()) {
      if (!isCheckedLine(line)) continue;
      const whole = new Uint8Array(line.length + 2).fill(LINE_FEED);
      whole.set(line, 1);
      yield whole;
    }
  }

  /**
   * Adds lines, by one write. They are in the file that others read, unless that is replaced again and
   * again: then they may be there twice.
   */
  append(lines: Uint8Array): void {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      using file = openShared(this.#fileSystem, this.#path, { append: true });
      writeAll(this.#fileSystem, file, lines);
      if (isSameFile(this.#path, file.statSync())) return;
    }
  }

  /**
   * Writes the file anew, and carries over what others add meanwhile.
   *
   * @param lines What takes the place of all that was read.
   */
  replace(lines: Iterable<Uint8Array>): void {
    using before = openIfThere(this.#path);
    const { ino, length } = this.#read;
    // Another has just done the same.
    if (before !== undefined && before.statSync().ino !== ino) return;
    replaceFile(this.#fileSystem, this.#path, lines);
    this.#read = { ino: -1, length: 0 };
    if (before === undefined) return;
    // Whoever adds a line from now on sees that it is another file.
    const added = new Uint8Array(Math.max(0, before.seekSync(0, Deno.SeekMode.End) - length));
    if (added.length === 0 || !readAt(before, length, added)) return;
    // The begin of a line is what a killed program has left.
    const whole = added.subarray(0, added.lastIndexOf(LINE_FEED) + 1);
    if (whole.length > 0) this.append(whole);
  }
}

function* toLines(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(LINE_FEED, at);
    if (end > at) yield bytes.subarray(at, end);
    at = end + 1;
  }
}
