/**
 * A file cache on disk.
 *
 * ```text
 * results.cache/
 *   cache.json               format and version; written first, and never again
 *   values/<2 hex>/<62 hex>  one value each (`value_file.ts`), named by its digest
 *   calls/<2 hex>/<62 hex>.json  one record each, named by its key: a line as in the call log of a
 *                            bag (`checked_line.ts`)
 *   leases/<key>             who is computing what
 *   unfinished/…             files that are being written; renamed when they are whole
 * ```
 *
 * @module
 */
import { resolve } from "node:path";
import { CacheFormatError, QuiverError } from "../base/errors.ts";
import { DIGEST_SCHEME } from "../value/digest/digest_value.ts";
import { DISK, type FileSystem, readWhole, replaceFile } from "../disk/file_system.ts";
import { isDeadLink } from "./bag_json.ts";
import { type CacheFiles, type CacheFilesOptions, checkCacheOptions } from "../disk/cache_files.ts";
import { FileDirectory } from "./file_directory.ts";
import { listNames } from "../disk/layout.ts";

/** The version of the format that this code writes and reads. */
const FILES_VERSION = 1;
const FORMAT = "quiver-files";
const DEFAULTS: Required<CacheFilesOptions> = { mode: "readwrite", durability: "process" };

/** What a process leaves that died while it created the cache. */
const UNFINISHED_REGEXP = /^cache\.json\..*\.tmp$/;

/**
 * Opens a file cache, and makes one of a directory that is missing or empty.
 *
 * @param path The directory.
 * @param options How to open it.
 * @param fileSystem The seam.
 * @returns The open directory; it must be closed.
 * @throws {CacheFormatError} If the directory is not a file cache, or one of another version.
 */
export function openFileDirectory(
  path: string,
  options: CacheFilesOptions = {},
  fileSystem: FileSystem = DISK,
): CacheFiles {
  const settings = checkCacheOptions("a file cache", options, DEFAULTS);
  const root = resolve(path);
  try {
    refuseDeadLink(root);
    const isNew = readWhole(`${root}/cache.json`) === undefined;
    if (isNew && settings.mode === "readwrite") createMarker(fileSystem, root);
    checkMarker(root);
    return new FileDirectory(root, settings, fileSystem);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotADirectory) {
      throw new CacheFormatError(
        `Cannot open "${root}" as a file cache: it is no directory, or lies below a file; ` +
          "choose a directory, or a path where there is nothing yet",
        { cause },
      );
    }
    if (!isReadOnly(cause)) throw cause;
    throw new QuiverError(
      `Cannot open "${root}" for writing: the directory is read-only; open it with mode: "read"`,
      { cause },
    );
  }
}

function refuseDeadLink(root: string): void {
  try {
    Deno.statSync(root);
  } catch (cause) {
    // Whatever else is wrong is said by what opens it.
    if (!isDeadLink(root, cause)) return;
    throw new CacheFormatError(
      `Cannot open "${root}" as a file cache: it is a link that leads nowhere; choose a directory, ` +
        "or a path where there is nothing yet",
      { cause },
    );
  }
}

function createMarker(fileSystem: FileSystem, root: string): void {
  fileSystem.makeDirectory(root);
  const foreign = listNames(root).find((name) => !UNFINISHED_REGEXP.test(name));
  // A process that creates the same cache may have finished between the two looks.
  if (foreign !== undefined && readWhole(`${root}/cache.json`) === undefined) {
    throw new CacheFormatError(
      `Cannot open "${root}" as a file cache: it holds "${foreign}" but no cache.json; ` +
        "choose a directory that is missing or empty",
    );
  }
  const content = {
    format: FORMAT,
    version: FILES_VERSION,
    digest: "sha256",
    digestScheme: DIGEST_SCHEME,
  };
  replaceFile(fileSystem, `${root}/cache.json`, [
    new TextEncoder().encode(`${JSON.stringify(content)}\n`),
  ]);
  fileSystem.syncDirectory(root);
}

function checkMarker(root: string): void {
  const bytes = readWhole(`${root}/cache.json`);
  if (bytes === undefined) {
    throw new CacheFormatError(
      `Cannot open "${root}" as a file cache: it has no cache.json; ` +
        'open it with mode: "readwrite" to create one in a directory that is missing or empty',
    );
  }
  const { format, version } = parse(bytes);
  if (format !== FORMAT || typeof version !== "number") {
    throw new CacheFormatError(
      `Cannot open "${root}" as a file cache: its cache.json does not say "${FORMAT}"`,
    );
  }
  if (version !== FILES_VERSION) {
    throw new CacheFormatError(
      `Cannot open "${root}" as a file cache: it has format version ${version}, ` +
        `and this is Quiver for version ${FILES_VERSION}; use the Quiver that wrote it`,
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

function isReadOnly(error: unknown): boolean {
  return error instanceof Deno.errors.PermissionDenied ||
    (error instanceof Error && "code" in error && error.code === "EROFS");
}
