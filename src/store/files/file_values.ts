import { type CacheGuard, isDigest, type StoredPart } from "../../disk/disk_storage.ts";
import { KeyedValues } from "../../disk/disk_stores.ts";
import { CLOCK_LAG, readFileClock, setBack } from "../../disk/file_clock.ts";
import {
  type FileSystem,
  lookAt,
  openIfThere,
  readAt,
  removeIfThere,
} from "../../disk/file_system.ts";
import { findHorizon } from "../../disk/horizon.ts";
import { type BagLayout, listNames } from "../../disk/layout.ts";
import { LockFile } from "../../disk/lock_file.ts";
import { toPayload, toPayloadCheck } from "../../disk/payload.ts";
import type { MaybePromise, SweepOptions, SweepResult, ValueSweeper } from "../../disk/stores.ts";
import type { Digest, EncodedPart, Payload } from "../../value/value.ts";
import type { FileReplacer } from "./file_replacer.ts";
import { PrefixDirectories, type PrefixDirectory, toName } from "./prefix_directories.ts";

/** The largest payload; its length must fit the header. */
const LARGEST_BYTES = 2 ** 32 - 1;

/** What the values of a file cache stand on. */
export interface FileValuesOptions {
  /** The seam. */
  readonly fileSystem: FileSystem;
  /** Says what may be done. */
  readonly guard: CacheGuard;
  /** Where the values lie. */
  readonly path: string;
  /** Gives files new content. */
  readonly replacer: FileReplacer;
  /** Where leases and locks lie. */
  readonly layout: Pick<BagLayout, "leases" | "locks">;
}

/**
 * Each part in a file of its own.
 *
 * When a part was put is when its file was written to: to put one that is there cuts its file to the
 * length that it has. Whoever puts holds `sweep.lock` shared, and whoever removes files holds it alone,
 * so that no file goes between the look at its time and its removal.
 */
export class FileValues extends KeyedValues implements ValueSweeper, Disposable {
  readonly #options: FileValuesOptions;
  readonly #directories: PrefixDirectories;
  readonly #sweepLock: LockFile;

  /**
   * Takes what they stand on.
   *
   * @param options What that is.
   */
  constructor(options: FileValuesOptions) {
    const { fileSystem, guard, path, layout } = options;
    super(guard, LARGEST_BYTES);
    this.#options = options;
    this.#directories = new PrefixDirectories(path);
    this.#sweepLock = new LockFile(fileSystem, `${layout.locks}/sweep.lock`, guard);
  }

  #toPath(digest: Digest): string {
    return `${this.#directories.of(digest)}/${toName(digest)}`;
  }

  /** As the base class says; a promise while files are removed. */
  override putPart(part: EncodedPart): MaybePromise<void> {
    this.guard.checkWritable("put a value into");
    let own = part;
    const put = this.#sweepLock.share(() => this.keep(own));
    // The caller may change its buffer meanwhile.
    if (put instanceof Promise) own = { ...part, bytes: part.bytes.slice() };
    return put;
  }

  protected override write(part: EncodedPart): void {
    const { digest, bytes } = part;
    const chunks = [encodeValueHeader(part), bytes];
    this.#options.replacer.replace(this.#directories.of(digest), toName(digest), chunks);
  }

  protected override touch(digest: Digest): boolean {
    const { fileSystem } = this.#options;
    try {
      using file = fileSystem.open(this.#toPath(digest), { write: true });
      fileSystem.truncate(file, file.seekSync(0, Deno.SeekMode.End));
      return true;
    } catch (error) {
      const { NotFound, PermissionDenied } = Deno.errors;
      // Somebody else's that this user may not write to is replaced.
      if (error instanceof NotFound || error instanceof PermissionDenied) return false;
      throw error;
    }
  }

  load(digest: Digest): Payload | undefined {
    this.guard.checkOpen("read from");
    if (!isDigest(digest)) return undefined;
    return openValueFile(this.#toPath(digest), (value) => readPayload(digest, value));
  }

  /** As the interface says. */
  *matching(prefix: string): Generator<Digest> {
    this.guard.checkOpen("look into");
    const directory = this.#directories.of(prefix);
    for (const name of listNames(directory)) {
      const digest = `${prefix.slice(0, prefix.length - toName(prefix).length)}${name}`;
      if (isDigest(digest) && digest.startsWith(prefix)) yield digest;
    }
  }

  find(digest: Digest): StoredPart | undefined {
    this.guard.checkOpen("look into");
    if (!isDigest(digest)) return undefined;
    return openValueFile(this.#toPath(digest), ({ kind, length }) => ({ kind, length }));
  }

  /** As the interface says. */
  horizon(gracePeriod: number): Promise<number> {
    const { fileSystem, guard, layout } = this.#options;
    guard.checkWritable("collect the garbage of");
    guard.checkThere();
    return findHorizon(fileSystem, layout, gracePeriod);
  }

  /** As the interface says. */
  async sweep(live: ReadonlySet<Digest>, { horizon }: SweepOptions): Promise<SweepResult> {
    const { fileSystem, guard, layout } = this.#options;
    using lock = new LockFile(fileSystem, `${layout.locks}/sweep.lock`, guard);
    const now = readFileClock(fileSystem, layout);
    let [values, bytes] = [0, 0];
    for (const directory of this.#directories.all()) {
      const unwanted = listDigests(directory).filter((digest) => !live.has(digest));
      if (unwanted.length === 0) continue;
      guard.checkWritable("collect the garbage of");
      // For one directory at a time, so that nobody waits for long.
      await lock.lock();
      try {
        for (const digest of unwanted) {
          const size = this.#drop(digest, horizon, now);
          if (size === undefined) continue;
          values++;
          bytes += size;
        }
      } finally {
        lock.unlock();
      }
    }
    return { values, bytes };
  }

  /** Removes a value that was not put since; the size of its payload if it was removed. */
  #drop(digest: Digest, horizon: number, now: number): number | undefined {
    const path = this.#toPath(digest);
    const there = lookAt(path);
    if (there?.isFile !== true) return undefined;
    const put = there.mtime?.getTime() ?? 0;
    // A copy, or a clock that was set back, leaves one from the future: it is old in due time.
    if (put > now + CLOCK_LAG) setBack(path, now);
    if (put > horizon) return undefined;
    removeIfThere(this.#options.fileSystem, path);
    return Math.max(0, there.size - HEADER_BYTES);
  }

  /** Lets go of the lock's file. */
  [Symbol.dispose](): void {
    this.#sweepLock[Symbol.dispose]();
  }
}

/** The values in a directory, in the order of their names; files of others are left out. */
function listDigests({ prefix, path }: PrefixDirectory): Digest[] {
  return listNames(path).map((name) => `${prefix}${name}`).filter(isDigest);
}

// A file that holds one value, of a file cache.
//
// ```text
// offset  bytes
//      0      4  "QVF1"
//      4      4  kind, as in `value.ts`
//      8      4  checksum (`payload.ts`)
//     12      4  length of the payload in bytes
//     16      …  payload
// ```
//
// Numbers are little-endian. The file's name is the digest of the value.

const MAGIC = 0x31465651;
const HEADER_BYTES = 16;

/** Makes the header of a value's file; the payload follows it. */
function encodeValueHeader(part: EncodedPart): Uint8Array {
  const header = new DataView(new ArrayBuffer(HEADER_BYTES));
  header.setUint32(0, MAGIC, true);
  header.setUint32(4, part.kind, true);
  header.setUint32(8, toPayloadCheck(part.digest, part), true);
  header.setUint32(12, part.bytes.length, true);
  return new Uint8Array(header.buffer);
}

/** A value's file that is open. */
interface ValueFile {
  readonly file: Deno.FsFile;
  readonly kind: number;
  readonly crc: number;
  readonly length: number;
}

/** Opens a value's file that has the length it says. */
function openValueFile<T>(path: string, use: (value: ValueFile) => T): T | undefined {
  using file = openIfThere(path);
  if (file === undefined) return undefined;
  const length = file.seekSync(0, Deno.SeekMode.End) - HEADER_BYTES;
  const header = new DataView(new ArrayBuffer(HEADER_BYTES));
  if (length < 0 || !readAt(file, 0, new Uint8Array(header.buffer))) return undefined;
  if (header.getUint32(0, true) !== MAGIC || header.getUint32(12, true) !== length) {
    return undefined;
  }
  return use({ file, kind: header.getUint32(4, true), crc: header.getUint32(8, true), length });
}

/** Reads the payload, or gives `undefined` when it is damaged. */
function readPayload(
  digest: Digest,
  { file, kind, crc, length }: ValueFile,
): Payload | undefined {
  const bytes = new Uint8Array(length);
  if (!readAt(file, HEADER_BYTES, bytes)) return undefined;
  const payload = toPayload(kind, bytes);
  return payload && toPayloadCheck(digest, payload) === crc ? payload : undefined;
}
