import { CacheFormatError } from "../base/errors.ts";
import type { Digest, EncodedPart, Payload } from "../value/value.ts";
import {
  type CacheFiles,
  type CacheFilesOptions,
  CacheGuard,
  isDigest,
  type LeaseLock,
  type TellDamaged,
} from "../disk/cache_files.ts";
import { type FileSystem, readWhole, removeIfThere } from "../disk/file_system.ts";
import { decodeCheckedLine, encodeCallLine } from "../disk/checked_line.ts";
import { FileReplacer } from "./file_replacer.ts";
import { listNames } from "../disk/layout.ts";
import { LeasedFiles, LeaseDirectory } from "../disk/leases.ts";
import { encodeValueHeader, readValueFile } from "./value_file.ts";

/** The largest payload; its length must fit the header. */
const LARGEST_BYTES = 2 ** 32 - 1;

/** How many characters of a digest name the directory that its file lies in. */
const PREFIX_LENGTH = 2;

/** A cache in a directory: a file for each value, a file for each record. */
export class FileDirectory extends LeasedFiles implements CacheFiles {
  readonly path: string;
  readonly mode: "readwrite" | "read";
  readonly #fileSystem: FileSystem;
  readonly #guard: CacheGuard;
  readonly #replacer: FileReplacer;
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
    const guard = new CacheGuard(`the file cache "${path}"`, mode);
    const leases = new LeaseDirectory(`${path}/leases`, fileSystem);
    super(guard, leases);
    this.path = path;
    this.mode = mode;
    this.#fileSystem = fileSystem;
    this.#guard = guard;
    const sync = durability === "power";
    this.#replacer = new FileReplacer({ fileSystem, directory: `${path}/unfinished`, sync });
    if (mode === "read") return;
    // What lies there unfinished is removed.
    for (const name of ["leases", "unfinished"]) isDirectory(`${path}/${name}`);
    leases.open();
    fileSystem.makeDirectory(`${path}/unfinished`);
    // Who may not write should be told now, not at the first result.
    leases.exclusively(() => this.#replacer.clear());
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
    if (!this.rejected.has(digest) && this.getValue(digest) !== undefined) return;
    this.#replacer.replace(this.#toValueDirectory(digest), toName(digest), [
      encodeValueHeader(part),
      bytes,
    ]);
    this.rejected.delete(digest);
  }

  getValue(digest: Digest): Payload | undefined {
    this.#guard.checkOpen("read from");
    if (!isDigest(digest)) return undefined;
    return readValueFile(`${this.#toValueDirectory(digest)}/${toName(digest)}`, digest);
  }

  putCall(key: Digest, fields: Record<string, unknown>, lease?: LeaseLock): boolean {
    this.#guard.checkWritable("put a call into");
    this.#guard.checkDigest("put a call into", key);
    if (lease?.revoked) return false;
    this.#replacer.replace(this.#toCallDirectory(key), `${toName(key)}.json`, [
      encodeCallLine(key, fields),
    ]);
    return this.keepUnlessRevoked(key, lease);
  }

  getCall(key: Digest): Record<string, unknown> | undefined {
    this.#guard.checkOpen("read from");
    if (!isDigest(key)) return undefined;
    const bytes = readWhole(`${this.#toCallDirectory(key)}/${toName(key)}.json`);
    const line = bytes && decodeCheckedLine(bytes.subarray(1, -1));
    return line?.key === key ? line : undefined;
  }

  override deleteCall(key: Digest): boolean {
    this.#guard.checkWritable("delete a call from");
    if (this.getCall(key) === undefined) return false;
    removeIfThere(this.#fileSystem, `${this.#toCallDirectory(key)}/${toName(key)}.json`);
    return true;
  }

  *calls(damaged?: TellDamaged): Generator<Record<string, unknown>> {
    this.#guard.checkOpen("read from");
    for (const prefix of listNames(`${this.path}/calls`)) {
      // A file of somebody else may lie beside the directories.
      if (!Deno.lstatSync(`${this.path}/calls/${prefix}`).isDirectory) continue;
      for (const name of listNames(`${this.path}/calls/${prefix}`)) {
        const key = `${prefix}${name.slice(0, -".json".length)}`;
        const line = this.getCall(key);
        if (line !== undefined) yield line;
        else if (isDigest(key)) this.#tellDamaged(`${this.#toCallDirectory(key)}/${name}`, damaged);
      }
    }
  }

  /** A file that is gone was deleted while others were read. */
  #tellDamaged(path: string, damaged: TellDamaged | undefined): void {
    if (damaged !== undefined && readWhole(path) !== undefined) damaged(`"${path}"`);
  }

  protected override release(): void {
    // Nothing is held open.
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
