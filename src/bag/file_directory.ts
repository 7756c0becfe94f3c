import { CacheFormatError } from "../errors.ts";
import type { Digest, EncodedPart, Payload } from "../value/encoded_value.ts";
import { type FileSystem, readWhole, removeIfThere } from "./_file_system.ts";
import type { LeaseLock } from "./bag_files.ts";
import type { CacheFiles, CacheFilesOptions } from "./cache_files.ts";
import { CacheGuard, isDigest } from "./cache_guard.ts";
import { encodeCallLine } from "./call_line.ts";
import { decodeCheckedLine } from "./checked_line.ts";
import { FileReplacer } from "./file_replacer.ts";
import { listNames } from "./layout.ts";
import { LeaseDirectory } from "./lease_directory.ts";
import { encodeValueHeader, readValueFile } from "./value_file.ts";

/** The largest payload; its length must fit the header. */
const LARGEST_BYTES = 2 ** 32 - 1;

/** How many characters of a digest name the directory that its file lies in. */
const PREFIX_LENGTH = 2;

/** A cache in a directory: a file for each value, a file for each record. */
export class FileDirectory implements CacheFiles {
  readonly path: string;
  readonly mode: "readwrite" | "read";
  readonly #fileSystem: FileSystem;
  readonly #guard: CacheGuard;
  readonly #replacer: FileReplacer;
  readonly #leases: LeaseDirectory;
  /** Values that are there, and are not what their digest says. */
  readonly #rejected = new Set<Digest>();
  /** Directories that were seen to be none of somebody else's. */
  readonly #own = new Set<string>();

  /**
   * Opens a directory that is there.
   *
   * @param path The directory, absolute.
   * @param options How to open it.
   * @param fileSystem The seam.
   */
  constructor(path: string, options: Required<CacheFilesOptions>, fileSystem: FileSystem) {
    const { mode, durability } = options;
    this.path = path;
    this.mode = mode;
    this.#fileSystem = fileSystem;
    this.#guard = new CacheGuard(`the file cache "${path}"`, mode);
    const sync = durability === "power";
    this.#replacer = new FileReplacer({ fileSystem, directory: `${path}/unfinished`, sync });
    this.#leases = new LeaseDirectory(`${path}/leases`, fileSystem);
    if (mode === "read") return;
    // What lies there unfinished is removed.
    for (const name of ["leases", "unfinished"]) isDirectory(`${path}/${name}`);
    this.#leases.open();
    fileSystem.makeDirectory(`${path}/unfinished`);
    // Who may not write should be told now, not at the first result.
    this.#leases.exclusively(() => this.#replacer.clear());
  }

  putValue(part: EncodedPart): void {
    const { digest, bytes } = part;
    this.#guard.checkWritable("put a value into");
    this.#guard.checkDigest("put a value into", digest);
    if (bytes.length > LARGEST_BYTES) {
      throw new RangeError(
        `Cannot put a value of ${bytes.length} bytes: the largest has ${LARGEST_BYTES}`,
      );
    }
    if (!this.#rejected.has(digest) && this.getValue(digest) !== undefined) return;
    this.#replacer.replace(this.#toValueDirectory(digest), toName(digest), [
      encodeValueHeader(part),
      bytes,
    ]);
    this.#rejected.delete(digest);
  }

  getValue(digest: Digest): Payload | undefined {
    this.#guard.checkOpen("read from");
    if (!isDigest(digest)) return undefined;
    return readValueFile(`${this.#toValueDirectory(digest)}/${toName(digest)}`, digest);
  }

  rejectValue(digest: Digest): boolean {
    this.#rejected.add(digest);
    return false;
  }

  putCall(key: Digest, fields: Record<string, unknown>): void {
    this.#guard.checkWritable("put a call into");
    this.#guard.checkDigest("put a call into", key);
    this.#replacer.replace(this.#toCallDirectory(key), `${toName(key)}.json`, [
      encodeCallLine(key, fields),
    ]);
  }

  getCall(key: Digest): Record<string, unknown> | undefined {
    this.#guard.checkOpen("read from");
    if (!isDigest(key)) return undefined;
    const bytes = readWhole(`${this.#toCallDirectory(key)}/${toName(key)}.json`);
    const line = bytes && decodeCheckedLine(bytes.subarray(1, -1));
    return line?.key === key ? line : undefined;
  }

  deleteCall(key: Digest): boolean {
    this.#guard.checkWritable("delete a call from");
    if (this.getCall(key) === undefined) return false;
    removeIfThere(this.#fileSystem, `${this.#toCallDirectory(key)}/${toName(key)}.json`);
    return true;
  }

  *calls(): Generator<Record<string, unknown>> {
    this.#guard.checkOpen("read from");
    for (const prefix of listNames(`${this.path}/calls`)) {
      // A file of somebody else may lie beside the directories.
      if (!Deno.lstatSync(`${this.path}/calls/${prefix}`).isDirectory) continue;
      for (const name of listNames(`${this.path}/calls/${prefix}`)) {
        const line = this.getCall(`${prefix}${name.slice(0, -".json".length)}`);
        if (line !== undefined) yield line;
      }
    }
  }

  tryLease(key: Digest): LeaseLock | undefined {
    this.#guard.checkWritable("take a lease in");
    return this.#leases.tryAcquire(key);
  }

  leaseChanged(key: Digest, signal?: AbortSignal): Promise<void> {
    return this.#leases.changed(key, () => this.#guard.checkOpen("wait for a lease in"), signal);
  }

  tellWaits(note?: Record<string, unknown>): void {
    this.#guard.checkWritable("wait in");
    this.#leases.tellWaits(note);
  }

  readWaits(): Record<string, unknown>[] {
    this.#guard.checkOpen("read from");
    return this.#leases.readWaits();
  }

  close(): Promise<void> {
    if (this.#guard.close()) this.#leases[Symbol.dispose]();
    return Promise.resolve();
  }

  /** Closes the directory. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #toValueDirectory(digest: Digest): string {
    return this.#toDirectory("values", digest);
  }

  #toCallDirectory(key: Digest): string {
    return this.#toDirectory("calls", key);
  }

  #toDirectory(room: string, digest: Digest): string {
    const path = `${this.path}/${room}/${digest.slice(0, PREFIX_LENGTH)}`;
    if (this.#own.has(path)) return path;
    const isThere = isDirectory(`${this.path}/${room}`) && isDirectory(path);
    if (isThere) this.#own.add(path);
    return path;
  }
}

/** Whether there is a directory; a link to one could lead anywhere, and is refused. */
function isDirectory(path: string): boolean {
  try {
    if (!Deno.lstatSync(path).isSymlink) return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
  throw new CacheFormatError(
    `Cannot open "${path}": it is a symbolic link, which a file cache never follows; ` +
      "put the directory itself there",
  );
}

function toName(digest: Digest): string {
  return digest.slice(PREFIX_LENGTH);
}
