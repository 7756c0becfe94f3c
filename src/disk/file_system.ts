/**
 * The one seam through which a bag changes anything on disk.
 *
 * Every write, rename, sync, truncation, removal and new directory of a bag goes through a
 * {@linkcode FileSystem}, so that a test can fail, cut short or stop at each of them. Reads and
 * locks do not: they change nothing that outlives the process.
 *
 * A bag never follows a symbolic link inside its directory, neither to read nor to write: whoever can
 * put one there could make it read, fill or empty any file of the user's. {@linkcode DISK} opens none,
 * and `layout.ts` lists no directory that is one. A link to the directory itself is the user's own
 * choice, and is followed.
 *
 * Nor does a handle that stays open trust that its file is still the one of that name: others replace
 * files, and a cleaner, a restored backup or a moved directory does so without telling
 * ({@linkcode isSameFile}).
 *
 * @module
 */
import { BagCorruptError } from "../base/errors.ts";
import { isOfSystem } from "../base/system_error.ts";

/** What a bag does to a disk, one system call a method. */
export interface FileSystem {
  /** Opens a file, and follows no link; with `create` or `truncate` that alone changes the disk. */
  open(path: string, options: Deno.OpenOptions): Deno.FsFile;
  /** Writes where the file stands, and returns how many bytes were taken. */
  write(file: Deno.FsFile, bytes: Uint8Array): number;
  /** Cuts or extends a file. */
  truncate(file: Deno.FsFile, length: number): void;
  /** Brings a file's data to the disk itself. */
  sync(file: Deno.FsFile): void;
  /** Brings the names in a directory to the disk itself. */
  syncDirectory(path: string): void;
  /** Renames a file over whatever has the new name. */
  rename(from: string, to: string): void;
  /** Gives a file a second name; throws when something has that name already. */
  link(from: string, to: string): void;
  /** Removes a file. */
  remove(path: string): void;
  /** Makes a directory and those above it; one that is there already is fine. */
  makeDirectory(path: string): void;
}

/** The file system of this machine. */
export const DISK: FileSystem = {
  open(path, options) {
    // The system itself makes no new file where there is a link.
    if (options.createNew !== true) refuseLink(path);
    return named(path, makingRoom(() => Deno.openSync(path, options)));
  },
  write: (file, bytes) => file.writeSync(bytes),
  truncate: (file, length) => file.truncateSync(length),
  sync: (file) => file.syncDataSync(),
  syncDirectory(path) {
    // Windows cannot open a directory, and keeps names safe by itself.
    if (Deno.build.os === "windows") return;
    using directory = makingRoom(() => Deno.openSync(path));
    directory.syncSync();
  },
  rename: (from, to) => Deno.renameSync(from, to),
  link: (from, to) => Deno.linkSync(from, to),
  remove: (path) => Deno.removeSync(path),
  makeDirectory: (path) => Deno.mkdirSync(path, { recursive: true }),
};

/**
 * Writes all bytes where the file stands.
 *
 * @param bytes What to write.
 * @throws The disk's own error; how much of `bytes` was written is then unknown.
 */
export function writeAll(fileSystem: FileSystem, file: Deno.FsFile, bytes: Uint8Array): void {
  let written = fileSystem.write(file, bytes);
  while (written < bytes.length) written += fileSystem.write(file, bytes.subarray(written));
}

/**
 * Gives a file new content in one step: readers see the old content or the new, never a part.
 *
 * @param chunks The new content, in pieces.
 */
export function replaceFile(
  fileSystem: FileSystem,
  path: string,
  chunks: Iterable<Uint8Array>,
): void {
  using temporary = new TemporaryFile(fileSystem, path);
  {
    using file = fileSystem.open(temporary.path, { write: true, createNew: true });
    for (const chunk of chunks) writeAll(fileSystem, file, chunk);
    fileSystem.sync(file);
  }
  temporary.rename();
}

/** A file that is written under another name than it will have, and goes when that comes to nothing. */
export class TemporaryFile implements Disposable {
  /** Where it is written. */
  readonly path: string;
  readonly #fileSystem: FileSystem;
  readonly #target: string;
  #renamed = false;

  /**
   * Names it; nothing is written yet.
   *
   * @param target The name that it will have.
   */
  constructor(fileSystem: FileSystem, target: string) {
    this.#fileSystem = fileSystem;
    this.#target = target;
    this.path = toTemporaryPath(target);
  }

  /** Gives it its name. */
  rename(): void {
    this.#fileSystem.rename(this.path, this.#target);
    this.#renamed = true;
  }

  /** Removes it unless it has its name. */
  [Symbol.dispose](): void {
    if (!this.#renamed) removeQuietly(this.#fileSystem, this.path);
  }
}

/** Removes a file where something has failed: the caller learns of that. */
export function removeQuietly(fileSystem: FileSystem, path: string): void {
  try {
    removeIfThere(fileSystem, path);
  } catch {
    // The next fold removes it.
  }
}

/**
 * Gives a name for a file that is not finished.
 *
 * @param path The name that the file will have.
 * @returns A name in the same directory that nobody else uses; it ends in `.tmp`.
 */
export function toTemporaryPath(path: string): string {
  return `${path}.${crypto.randomUUID()}.tmp`;
}

/**
 * Reads at a position until the buffer is full.
 *
 * @param offset Where to begin, in bytes.
 * @returns Whether the file had that many bytes.
 * @throws {BagCorruptError} If the disk does not give them.
 */
export function readAt(file: Deno.FsFile, offset: number, bytes: Uint8Array): boolean {
  if (bytes.length === 0) return true;
  try {
    file.seekSync(offset, Deno.SeekMode.Start);
    let filled = file.readSync(bytes) ?? 0;
    while (filled < bytes.length) {
      const count = file.readSync(bytes.subarray(filled));
      if (count === null) return false;
      filled += count;
    }
    return true;
  } catch (error) {
    throw toReadError(file, offset, error);
  }
}

/**
 * The same of bytes that may be missing: what the disk does not give is as good as damaged.
 *
 * @param offset Where to begin, in bytes.
 * @returns Whether the file had that many bytes, and the disk gave them.
 */
export function readIfWhole(file: Deno.FsFile, offset: number, bytes: Uint8Array): boolean {
  try {
    return readAt(file, offset, bytes);
  } catch (error) {
    if (error instanceof UnreadableError) return false;
    throw error;
  }
}

/** How much of a file that cannot be read is left out at once. */
const BLOCK_BYTES = 4096;

/**
 * The same, with zeros in the place of what the disk does not give.
 *
 * @param offset Where to begin, in bytes.
 * @returns Whether the file had that many bytes.
 */
export function readAround(file: Deno.FsFile, offset: number, bytes: Uint8Array): boolean {
  try {
    return readAt(file, offset, bytes);
  } catch (error) {
    if (!(error instanceof UnreadableError)) throw error;
  }
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    const block = bytes.subarray(at, at + BLOCK_BYTES);
    if (!readIfWhole(file, offset + at, block)) block.fill(0);
  }
  return true;
}

/** How much of a file is read at once by who goes through it. */
const PIECE_BYTES = 256 * 1024;

/**
 * Reads a part of a file in pieces.
 *
 * @param begin Where to begin, in bytes.
 * @param end Where to end.
 * @returns The pieces, each good until the next; fewer if the file has become too short.
 */
export function* readPieces(
  file: Deno.FsFile,
  begin: number,
  end: number,
): Generator<Uint8Array> {
  const buffer = new Uint8Array(Math.min(PIECE_BYTES, end - begin));
  for (let at = begin; at < end; at += buffer.length) {
    const piece = buffer.subarray(0, Math.min(buffer.length, end - at));
    if (!readAt(file, at, piece)) return;
    yield piece;
  }
}

/** A piece of up to this size costs less than a look at the size of its file. */
const SMALL_BYTES = 64 * 1024;

/** The system refuses to seek far beyond what it can store; up to here any does. */
const FAR_OFFSET = 2 ** 40;

/**
 * Reads a piece of a file, of which a table says where it lies; a table may say anything.
 *
 * @param offset Where the piece begins, in bytes.
 * @param length How long it is, in bytes; no memory is taken for what is not there.
 * @returns The bytes, or `undefined` when the file does not have that many, or its disk does not give
 * them.
 */
export function readPiece(
  file: Deno.FsFile,
  offset: number,
  length: number,
): Uint8Array<ArrayBuffer> | undefined {
  if (!mayHave(file, offset, length)) return undefined;
  const bytes = new Uint8Array(length);
  return readIfWhole(file, offset, bytes) ? bytes : undefined;
}

/**
 * Tells whether it makes sense to try and read a piece of a file.
 *
 * @param offset Where the piece begins, in bytes; whatever number a table says.
 * @param length How long it is, in bytes.
 * @returns `false` if the file does not have it; else it costs little to try.
 */
export function mayHave(file: Deno.FsFile, offset: number, length: number): boolean {
  if (!Number.isSafeInteger(offset + length) || offset < 0) return false;
  if (length <= SMALL_BYTES && offset <= FAR_OFFSET) return true;
  return offset + length <= file.seekSync(0, Deno.SeekMode.End);
}

/**
 * Reads a file that follows from others, and is made again where it cannot be read.
 *
 * @returns The content, or `undefined` when there is no such file, or its disk does not give it.
 */
export function readDerived(path: string): Uint8Array<ArrayBuffer> | undefined {
  using file = openIfThere(path);
  return file && readPiece(file, 0, file.seekSync(0, Deno.SeekMode.End));
}

/** What a file of a cache has at the most that says a few things of all of it, in bytes. */
export const SMALL_FILE_BYTES: number = 64 * 1024;

/**
 * Reads a whole file; unlike `Deno.readFileSync` it never grows its buffer, which costs much for
 * large files.
 *
 * @param most How many bytes such a file has at the most: no memory is taken for more.
 * @returns The content, or `undefined` when there is no such file.
 * @throws {BagCorruptError} If it has more, or its disk does not give it.
 */
export function readWhole(
  path: string,
  most: number = Infinity,
): Uint8Array<ArrayBuffer> | undefined {
  using file = openIfThere(path);
  if (file === undefined) return undefined;
  const size = file.seekSync(0, Deno.SeekMode.End);
  if (size > most) {
    throw new BagCorruptError(
      `Cannot read "${path}": it has ${size} bytes, and such a file has ${most} at the most; repair ` +
        "the bag with verifyBag(path, { repair: true }), or put back the file as it was",
      path,
      most,
    );
  }
  const bytes = new Uint8Array(size);
  return readAt(file, 0, bytes) ? bytes : undefined;
}

/**
 * Refuses what is there under the name of a file but is none: a symbolic link, a directory, a pipe.
 *
 * @param path A file of a bag, there or not.
 * @throws {BagCorruptError} If it is anything else.
 */
export function refuseLink(path: string): void {
  const info = lookAt(path);
  if (info === undefined || info.isFile) return;
  throw new BagCorruptError(
    `Cannot open "${path}": it is ${info.isSymlink ? "a symbolic link" : "not a file"}, ` +
      "which a bag never follows; put the file itself there, or repair the bag with " +
      "verifyBag(path, { repair: true })",
    path,
    0,
  );
}

/** Which file it is, whatever it is called. */
export interface FileIdentity {
  readonly dev: number;
  readonly ino: number | null;
}

/**
 * Tells whether a file is still the one of that name. Whether it has a name at all, or how many, says
 * nothing: a copy made of hard links keeps those that were replaced.
 *
 * @param path The name.
 * @param file Which file it was.
 * @returns `false` also when there is nothing of that name.
 */
export function isSameFile(path: string, file: FileIdentity): boolean {
  const there = lookAt(path);
  return there !== undefined && there.ino === file.ino && there.dev === file.dev;
}

/**
 * Looks what there is under a name, and follows no link.
 *
 * @returns What there is, or `undefined` for nothing.
 */
export function lookAt(path: string): Deno.FileInfo | undefined {
  return ifThere(() => Deno.lstatSync(path));
}

/**
 * Opens a file for reading.
 *
 * @returns The file, or `undefined` when there is no such file.
 * @throws {BagCorruptError} If it is a symbolic link or a directory.
 */
export function openIfThere(path: string): Deno.FsFile | undefined {
  refuseLink(path);
  return ifThere(() => named(path, makingRoom(() => Deno.openSync(path))));
}

/** What open files are called: the system does not say it where they cannot be read. */
const NAMES = new WeakMap<Deno.FsFile, string>();

function named(path: string, file: Deno.FsFile): Deno.FsFile {
  NAMES.set(file, path);
  return file;
}

/** A part of a file that its disk does not give. */
class UnreadableError extends BagCorruptError {
  override name = "BagCorruptError";
}

function toReadError(file: Deno.FsFile, offset: number, cause: unknown): unknown {
  if (!isOfSystem(cause)) return cause;
  const path = NAMES.get(file) ?? "a file";
  const said = cause instanceof Error ? cause.message : String(cause);
  return new UnreadableError(
    `Cannot read "${path}" at byte ${offset}: ${said}; look after its disk, and put back the ` +
      "file from a backup",
    path,
    offset,
    { cause },
  );
}

/**
 * Does something with a file that may be missing.
 *
 * @typeParam T What the function returns.
 * @returns What the function returns, or `undefined` when there is no such file.
 */
export function ifThere<T>(fn: () => T): T | undefined {
  try {
    return fn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Opens a file that many write to, and makes it when it is missing.
 *
 * @param options How to open it.
 * @throws {BagCorruptError} If it is a symbolic link or a directory.
 */
export function openShared(
  fileSystem: FileSystem,
  path: string,
  options: Deno.OpenOptions,
): Deno.FsFile {
  return fileSystem.open(path, { ...options, read: true, create: true });
}

/** Removes a file that another process may have removed already. */
export function removeIfThere(fileSystem: FileSystem, path: string): void {
  ifThere(() => fileSystem.remove(path));
}

/**
 * Tells whether a file is missing.
 *
 * @returns Whether there is nothing of that name.
 */
export function isMissing(path: string): boolean {
  using file = openIfThere(path);
  return file === undefined;
}

/**
 * Tells whether somebody holds the lock of a file, without taking it.
 *
 * @returns Whether it is locked.
 */
export function isLocked(file: Deno.FsFile): boolean {
  // Shared, so that two who only look do not see each other.
  if (!file.tryLockSync(false)) return true;
  file.unlockSync();
  return false;
}

/**
 * The same of a file that may be missing.
 *
 * @returns Whether it is locked; `undefined` when there is no such file.
 */
export function isLockedAt(path: string): boolean | undefined {
  using file = openIfThere(path);
  return file && isLocked(file);
}

/** How many files stay open for reading; more would run into the usual limit of 1,024. */
const LIMIT = 64;

/** Files that stay open for reading, a bounded number of them. */
export class FileHandles implements Disposable {
  readonly #files = new Map<string, Deno.FsFile>();
  readonly #limit: number;

  /**
   * Creates an empty set.
   *
   * @param limit How many files may be open.
   */
  constructor(limit: number = LIMIT) {
    this.#limit = limit;
    KEPT.add(this);
  }

  /** How many files are open. */
  get size(): number {
    return this.#files.size;
  }

  /**
   * Gives a file, opened now or earlier. It is only good until anything else is opened.
   *
   * @returns The file, or `undefined` when there is none.
   */
  open(path: string): Deno.FsFile | undefined {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    const file = openIfThere(path);
    if (file === undefined) return undefined;
    for (const oldest of this.#files.keys()) {
      if (this.#files.size < this.#limit) break;
      this.close(oldest);
    }
    this.#files.set(path, file);
    return file;
  }

  /** Closes a file if it is open. */
  close(path: string): void {
    this.#files.get(path)?.close();
    this.#files.delete(path);
  }

  /** Closes all files; they are opened again when they are needed. */
  clear(): void {
    for (const path of this.#files.keys()) this.close(path);
  }

  /** Closes all files. */
  [Symbol.dispose](): void {
    this.clear();
    KEPT.delete(this);
  }
}

/** All files of this isolate that stay open only because they may be needed again. */
const KEPT = new Set<FileHandles>();

/**
 * Opens a file; where the system allows no more, those give way that are kept for later.
 *
 * @typeParam T What is opened.
 * @returns What `open` returns.
 */
export function makingRoom<T>(open: () => T): T {
  try {
    return open();
  } catch (error) {
    const isLimit = error instanceof Error && "code" in error && error.code === "EMFILE";
    if (!isLimit || KEPT.values().every(({ size }) => size === 0)) throw error;
    for (const files of KEPT) files.clear();
    return open();
  }
}

const WINDOW_BYTES = 256 * 1024;

/** A file whose pieces are read one behind the other: each read of the disk is large. */
export class FileWindow {
  readonly #file: Deno.FsFile;
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #begin = 0;
  #length = 0;

  /**
   * Wraps an open file. What was read once is not read again, so no piece may change that others
   * have asked for.
   *
   * @param file The file; whoever opened it closes it.
   */
  constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  /**
   * Reads a piece.
   *
   * @param offset Where it begins, in bytes.
   * @param length How long it is, in bytes.
   * @returns The bytes, good until the next call; or `undefined` when the file is too short.
   */
  read(offset: number, length: number): Uint8Array | undefined {
    if (offset < this.#begin || offset + length > this.#begin + this.#length) {
      if (!this.#load(offset, length)) return undefined;
    }
    const at = offset - this.#begin;
    return this.#bytes.subarray(at, at + length);
  }

  #load(offset: number, length: number): boolean {
    const rest = this.#file.seekSync(0, Deno.SeekMode.End) - offset;
    if (rest < length) return false;
    const size = Math.max(WINDOW_BYTES, length);
    if (this.#bytes.length < size) this.#bytes = new Uint8Array(size);
    this.#begin = offset;
    this.#length = Math.min(this.#bytes.length, rest);
    if (readIfWhole(this.#file, offset, this.#bytes.subarray(0, this.#length))) return true;
    // What lies behind the piece may be what cannot be read.
    this.#length = readIfWhole(this.#file, offset, this.#bytes.subarray(0, length)) ? length : 0;
    return this.#length > 0 || length === 0;
  }
}

/** Where something lies in a file. */
export interface FilePlace {
  /** Where it begins, in bytes. */
  readonly offset: number;
  /** How long it is, in bytes. */
  readonly length: number;
}

/** Reads bytes at a position; `false` when the file has become too short, or is gone. */
export type ReadBytes = (offset: number, target: Uint8Array<ArrayBuffer>) => boolean;
