import { resolve } from "node:path";
import { isDeadLink } from "../bag/bag_json.ts";
import { checkOptions, withDefaults } from "../base/check_options.ts";
import { CacheFormatError, QuiverError } from "../base/errors.ts";
import { decodeCheckedLine, LONGEST_LINE_BYTES } from "../disk/checked_line.ts";
import {
  CACHE_FILES_RULES,
  type CacheFilesOptions,
  CacheGuard,
  type CacheSettings,
  isDigest,
} from "../disk/disk_storage.ts";
import { type DiskStorage, KeyedCalls, KeyedValues } from "../disk/disk_stores.ts";
import {
  DISK,
  type FileSystem,
  openIfThere,
  readAt,
  readWhole,
  removeIfThere,
  replaceFile,
  SMALL_FILE_BYTES,
  writeAll,
} from "../disk/file_system.ts";
import { listNames, listRoot } from "../disk/layout.ts";
import { allowUse, type CachePermissions, likeDirectory } from "../disk/ownership.ts";
import { writeFirst } from "../disk/read_only.ts";
import { createLeases, DiskLeases, exclusively } from "../disk/leases.ts";
import { toPayload, toPayloadCheck } from "../disk/payload.ts";
import type { TellDamaged } from "../disk/stores.ts";
import { DIGEST_SCHEME } from "../value/digest/digest_value.ts";
import type { Digest, EncodedPart, Payload } from "../value/value.ts";

/** The largest payload; its length must fit the header. */
const LARGEST_BYTES = 2 ** 32 - 1;

/** How many characters of a digest name the directory that its file lies in. */
const PREFIX_LENGTH = 2;

/** A cache in a directory that is there: a file for each value, a file for each record. */
function createStorage(
  path: string,
  { mode, durability }: CacheSettings<CacheFilesOptions>,
  fileSystem: FileSystem,
): DiskStorage {
  const guard = new CacheGuard(`the file cache "${path}"`, mode, `${path}/cache.json`);
  const locks = `${path}/leases`;
  const unfinished = `${path}/unfinished`;
  const sync = durability === "power";
  const replacer = new FileReplacer({ fileSystem, guard, directory: unfinished, sync });
  const layout = { leases: locks, locks };
  const leases = new DiskLeases({ fileSystem, layout, guard, place: path });
  if (mode === "readwrite") {
    // What lies there unfinished is removed.
    for (const name of [locks, unfinished]) isDirectory(name);
    createLeases(fileSystem, locks);
    fileSystem.makeDirectory(unfinished);
    // Who may not write should be told now, not at the first result.
    exclusively(fileSystem, locks, () => replacer.clear());
  }
  const close = () =>
    Promise.try(() => {
      if (guard.close()) leases[Symbol.dispose]();
    });
  return {
    path,
    mode,
    values: new FileValues(guard, `${path}/values`, replacer),
    calls: new FileCalls(guard, `${path}/calls`, replacer, fileSystem),
    leases,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Each part in a file of its own. */
class FileValues extends KeyedValues {
  readonly #directoryOf: (digest: Digest) => string;
  readonly #replacer: FileReplacer;

  constructor(guard: CacheGuard, path: string, replacer: FileReplacer) {
    super(guard, LARGEST_BYTES);
    this.#directoryOf = prefixDirectories(path);
    this.#replacer = replacer;
  }

  protected override write(part: EncodedPart): void {
    const { digest, bytes } = part;
    const chunks = [encodeValueHeader(part), bytes];
    this.#replacer.replace(this.#directoryOf(digest), toName(digest), chunks);
  }

  load(digest: Digest): Payload | undefined {
    this.guard.checkOpen("read from");
    if (!isDigest(digest)) return undefined;
    return readValueFile(`${this.#directoryOf(digest)}/${toName(digest)}`, digest);
  }
}

/** Each record in a file of its own. */
class FileCalls extends KeyedCalls {
  readonly #path: string;
  readonly #directoryOf: (digest: Digest) => string;
  readonly #replacer: FileReplacer;
  readonly #fileSystem: FileSystem;

  constructor(guard: CacheGuard, path: string, replacer: FileReplacer, fileSystem: FileSystem) {
    super(guard);
    this.#path = path;
    this.#directoryOf = prefixDirectories(path);
    this.#replacer = replacer;
    this.#fileSystem = fileSystem;
  }

  protected override write(key: Digest, line: Uint8Array<ArrayBuffer>): void {
    this.#replacer.replace(this.#directoryOf(key), `${toName(key)}.json`, [line]);
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
    removeIfThere(this.#fileSystem, this.#toPath(key));
    return true;
  }

  *lines(damaged?: TellDamaged): Generator<Record<string, unknown>> {
    this.guard.checkOpen("read from");
    for (const prefix of listNames(this.#path)) {
      // A file of somebody else may lie beside the directories.
      if (!Deno.lstatSync(`${this.#path}/${prefix}`).isDirectory) continue;
      for (const name of listNames(`${this.#path}/${prefix}`)) {
        const key = `${prefix}${name.slice(0, -".json".length)}`;
        const line = this.getLine(key);
        if (line !== undefined) yield line;
        if (line !== undefined || damaged === undefined || !isDigest(key)) continue;
        // A file that is gone was deleted while others were read.
        const path = `${this.#path}/${prefix}/${name}`;
        if (readWhole(path) !== undefined) damaged(`"${path}"`);
      }
    }
  }

  #toPath(key: Digest): string {
    return `${this.#directoryOf(key)}/${toName(key)}.json`;
  }
}

/** The directories that files lie in, by how the digests begin. */
function prefixDirectories(root: string): (digest: Digest) => string {
  /** Those that were seen to be none of somebody else's. */
  const own = new Set<string>();
  return (digest) => {
    const path = `${root}/${digest.slice(0, PREFIX_LENGTH)}`;
    if (!own.has(path) && isDirectory(root) && isDirectory(path)) own.add(path);
    return path;
  };
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

/** What a writer names a file that is not finished: its own name, and a number. */
const NAME_REGEXP = /^[0-9a-f-]{36}-\d+$/;

/** How often a file is written that others take for one of a dead writer, or that has no directory. */
const MOST_ATTEMPTS = 100;

/** What a {@linkcode FileReplacer} needs to know. */
interface FileReplacerOptions {
  /** The seam. */
  readonly fileSystem: FileSystem;
  /** Says whether the cache is still there. */
  readonly guard: CacheGuard;
  /** Where files lie that are not finished. */
  readonly directory: string;
  /** Whether each file is brought to the disk itself before it counts as written. */
  readonly sync: boolean;
}

/**
 * Gives files new content in one step: it is written under another name, and then renamed.
 *
 * A file that is being written is locked, so that what a killed writer left can be told from what is
 * still being written.
 */
class FileReplacer {
  readonly #options: FileReplacerOptions;
  readonly #writer = crypto.randomUUID();
  #count = 0;

  /**
   * Creates a replacer.
   *
   * @param options What it needs to know.
   */
  constructor(options: FileReplacerOptions) {
    this.#options = options;
  }

  /**
   * Gives a file new content; readers see the old content or the new, never a part.
   *
   * @param directory Where the file lies; it is made if it is missing.
   * @param name The file's name in there.
   * @param chunks The new content, in pieces.
   */
  replace(directory: string, name: string, chunks: readonly Uint8Array[]): void {
    const { fileSystem, guard, sync, directory: unfinished } = this.#options;
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      if (this.#tryReplace(directory, name, chunks)) {
        if (sync) fileSystem.syncDirectory(directory);
        return;
      }
      guard.checkThere();
      // It may be there by now: two handles may need the same one at the same time.
      for (const missing of [unfinished, directory]) fileSystem.makeDirectory(missing);
      if (sync) fileSystem.syncDirectory(`${directory}/..`);
    }
    throw new QuiverError(
      `Cannot write "${directory}/${name}": somebody removes what is not finished again and again`,
    );
  }

  /** `false` when there is no such directory, or another handle has taken the file for a dead one's. */
  #tryReplace(directory: string, name: string, chunks: readonly Uint8Array[]): boolean {
    const { fileSystem, sync, directory: unfinished } = this.#options;
    const temporary = `${unfinished}/${this.#writer}-${this.#count++}`;
    try {
      using file = fileSystem.open(temporary, { write: true, createNew: true });
      if (!file.tryLockSync(true)) return false;
      for (const chunk of chunks) writeAll(fileSystem, file, chunk);
      if (sync) fileSystem.sync(file);
      fileSystem.rename(temporary, `${directory}/${name}`);
      return true;
    } catch (error) {
      removeIfThere(fileSystem, temporary);
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  /** Removes what killed writers have left. Files of others are left alone. */
  clear(): void {
    const { fileSystem, directory } = this.#options;
    for (const name of listNames(directory).filter((name) => NAME_REGEXP.test(name))) {
      using file = openIfThere(`${directory}/${name}`);
      if (file?.tryLockSync(true)) removeIfThere(fileSystem, `${directory}/${name}`);
    }
  }
}

// A file cache on disk.
//
// ```text
// results.cache/
//   cache.json               format and version; written first, and never again
//   values/<2 hex>/<62 hex>  one value each (`file_cache.ts`), named by its digest
//   calls/<2 hex>/<62 hex>.json  one record each, named by its key: a line as in the call log of a
//                            bag (`checked_line.ts`)
//   leases/<key>             who is computing what
//   unfinished/…             files that are being written; renamed when they are whole
// ```

/** The version of the format that this code writes and reads. */
const FILES_VERSION = 1;
const FORMAT = "quiver-files";
const DEFAULTS: CacheSettings<CacheFilesOptions> = { mode: "readwrite", durability: "process" };

/** What a process leaves that died while it created the cache. */
const UNFINISHED_REGEXP = /^cache\.json\..*\.tmp$/;

/**
 * Opens a file cache, and makes one of a directory that is missing or empty.
 *
 * @param options How to open it.
 * @returns The open directory; it must be closed.
 * @throws {CacheFormatError} If the directory is not a file cache, or one of another version.
 */
export function openFileDirectory(
  path: string,
  options: CacheFilesOptions = {},
  fileSystem: FileSystem = DISK,
): DiskStorage {
  checkOptions("open a file cache", options, CACHE_FILES_RULES, "no option");
  const { permissions, ...others } = options;
  const settings = withDefaults(DEFAULTS, others);
  const root = resolve(path);
  try {
    refuseDeadLink(root);
    if (settings.mode === "read") {
      checkMarker(root);
      return createStorage(root, settings, fileSystem);
    }
    return writeFirst(root, () => {
      const owned = createMarker(fileSystem, root, permissions);
      checkMarker(root);
      return createStorage(root, settings, owned);
    });
  } catch (cause) {
    if (cause instanceof Deno.errors.NotADirectory) {
      throw refuse(root, `it is no directory, or lies below a file; ${CHOOSE}`, { cause });
    }
    throw cause;
  }
}

const CHOOSE = "choose a directory, or a path where there is nothing yet";

function refuse(root: string, state: string, options?: ErrorOptions): CacheFormatError {
  return new CacheFormatError(`Cannot open "${root}" as a file cache: ${state}`, options);
}

function refuseDeadLink(root: string): void {
  try {
    Deno.statSync(root);
  } catch (cause) {
    // Whatever else is wrong is said by what opens it.
    if (!isDeadLink(root, cause)) return;
    throw refuse(root, `it is a link that leads nowhere; ${CHOOSE}`, { cause });
  }
}

function createMarker(
  fileSystem: FileSystem,
  root: string,
  permissions: CachePermissions | undefined,
): FileSystem {
  const isNew = readWhole(`${root}/cache.json`, SMALL_FILE_BYTES) === undefined;
  if (isNew) fileSystem.makeDirectory(root);
  allowUse(root, permissions, isNew);
  const owned = likeDirectory(fileSystem, root);
  if (!isNew) return owned;
  const foreign = listRoot(root).find(({ name }) => !UNFINISHED_REGEXP.test(name))?.name;
  // A process that creates the same cache may have finished between the two looks.
  if (foreign !== undefined && readWhole(`${root}/cache.json`, SMALL_FILE_BYTES) === undefined) {
    const state = `it holds "${foreign}" but no cache.json`;
    throw refuse(root, `${state}; choose a directory that is missing or empty`);
  }
  const content = JSON.stringify({
    format: FORMAT,
    version: FILES_VERSION,
    digest: "sha256",
    digestScheme: DIGEST_SCHEME,
  });
  replaceFile(owned, `${root}/cache.json`, [new TextEncoder().encode(`${content}\n`)]);
  owned.syncDirectory(root);
  return owned;
}

function checkMarker(root: string): void {
  const bytes = readWhole(`${root}/cache.json`, SMALL_FILE_BYTES);
  if (bytes === undefined) {
    throw refuse(
      root,
      'it has no cache.json; open it with mode: "readwrite" to create one in a directory that is ' +
        "missing or empty",
    );
  }
  const { format, version } = parse(bytes);
  if (format !== FORMAT || typeof version !== "number") {
    throw refuse(root, `its cache.json does not say "${FORMAT}"`);
  }
  if (version !== FILES_VERSION) {
    throw refuse(
      root,
      `it has format version ${version}, and this is Quiver for version ${FILES_VERSION}; use the ` +
        "Quiver that wrote it",
    );
  }
}

function parse(bytes: Uint8Array): { format?: unknown; version?: unknown } {
  try {
    const content: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof content === "object" && content !== null ? content : {};
  } catch {
    // What cannot be parsed does not say what it is.
    return {};
  }
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

/**
 * Reads a value's file.
 *
 * @param digest The digest of the value.
 * @returns The payload, or `undefined` when the file is missing or damaged.
 */
function readValueFile(path: string, digest: Digest): Payload | undefined {
  using file = openIfThere(path);
  if (file === undefined) return undefined;
  const length = file.seekSync(0, Deno.SeekMode.End) - HEADER_BYTES;
  const header = new DataView(new ArrayBuffer(HEADER_BYTES));
  if (length < 0 || !readAt(file, 0, new Uint8Array(header.buffer))) return undefined;
  if (header.getUint32(0, true) !== MAGIC || header.getUint32(12, true) !== length) {
    return undefined;
  }
  const bytes = new Uint8Array(length);
  if (!readAt(file, HEADER_BYTES, bytes)) return undefined;
  const payload = toPayload(header.getUint32(4, true), bytes);
  if (payload === undefined) return undefined;
  return toPayloadCheck(digest, payload) === header.getUint32(8, true) ? payload : undefined;
}
