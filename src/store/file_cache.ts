import { resolve } from "node:path";
import { isDeadLink } from "../bag/bag_json.ts";
import { checkOptions, withDefaults } from "../base/check_options.ts";
import { CacheFormatError } from "../base/errors.ts";
import {
  CACHE_FILES_RULES,
  type CacheFilesOptions,
  CacheGuard,
  type CacheSettings,
} from "../disk/disk_storage.ts";
import type { DiskStorage } from "../disk/disk_stores.ts";
import { FailureLog } from "../disk/failure_log.ts";
import { readFileClock } from "../disk/file_clock.ts";
import {
  DISK,
  type FileSystem,
  readWhole,
  replaceFile,
  SMALL_FILE_BYTES,
} from "../disk/file_system.ts";
import { listRoot } from "../disk/layout.ts";
import { allowUse, type CachePermissions, likeDirectory } from "../disk/ownership.ts";
import { writeFirst } from "../disk/read_only.ts";
import { UseLog } from "../disk/use_log.ts";
import { createLeases, DiskLeases, exclusively } from "../disk/leases.ts";
import { DIGEST_SCHEME } from "../value/digest/digest_value.ts";
import { FileCalls } from "./files/file_calls.ts";
import { FileReplacer } from "./files/file_replacer.ts";
import { FileValues } from "./files/file_values.ts";
import { isDirectory } from "./files/prefix_directories.ts";

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
  const options = { fileSystem, guard, replacer, layout };
  const values = new FileValues({ ...options, path: `${path}/values` });
  const readClock = () => readFileClock(fileSystem, layout);
  const leases = new DiskLeases({ fileSystem, layout, guard, place: path });
  if (mode === "readwrite") {
    // What lies there unfinished is removed.
    for (const name of [locks, unfinished]) isDirectory(name);
    createLeases(fileSystem, locks);
    fileSystem.makeDirectory(unfinished);
    // Who may not write should be told now, not at the first result.
    exclusively(fileSystem, locks, () => replacer.clear());
  }
  const calls = new FileCalls({ ...options, path: `${path}/calls`, readClock });
  const uses = new UseLog({
    fileSystem,
    root: path,
    path: `${path}/uses.jsonl`,
    marker: `${path}/cache.json`,
    writable: guard.writable,
    isKnown: (key) => calls.getLine(key) !== undefined,
  });
  const close = () =>
    Promise.try(() => {
      if (guard.closed) return;
      uses[Symbol.dispose]();
      guard.close();
      leases[Symbol.dispose]();
      values[Symbol.dispose]();
    });
  return {
    path,
    mode,
    values,
    calls,
    failures: new FailureLog({ fileSystem, guard, root: path, path: `${path}/failures.jsonl` }),
    leases,
    uses,
    sweeper: values,
    close,
    [Symbol.asyncDispose]: close,
  };
}

// A file cache on disk.
//
// ```text
// results.cache/
//   cache.json               format and version; written first, and never again
//   values/<2 hex>/<62 hex>  one value each (`files/file_values.ts`), named by its digest; written to
//                            when it was last put
//   calls/<2 hex>/<62 hex>.json  one record each, named by its key: a line as in the call log of a
//                            bag (`checked_line.ts`)
//   failures.jsonl           the newest failures of calls, as in a bag; there once one was kept
//   uses.jsonl               who has used which call, as in a bag (`FORMAT.md`); perhaps missing
//   leases/<key>             who is computing what
//   leases/sweep.lock        held shared by who puts a value, alone by who removes values
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
