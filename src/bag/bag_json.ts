/**
 * `bag.json`: what makes a directory a bag. `FORMAT.md` specifies the fields.
 *
 * Its content is the same for all who create a bag with the same features, so that two processes
 * that create one bag at once may both write it; what readers need is told by each segment. It is
 * the first thing in a new bag: a directory without it is no bag.
 *
 * @module
 */
import { dirname } from "node:path";
import { BagCorruptError, BagFormatError } from "../base/errors.ts";
import { DIGEST_SCHEME } from "../value/digest/digest_value.ts";
import {
  type FileSystem,
  isLockedAt,
  lookAt,
  openShared,
  readWhole,
  replaceFile,
  SMALL_FILE_BYTES,
} from "../disk/file_system.ts";
import { allowUse, type CachePermissions, likeDirectory } from "../disk/ownership.ts";
import {
  type BagLayout,
  directoriesOf,
  listJournals,
  listRoot,
  locksOf,
  toJournalPath,
} from "../disk/layout.ts";

/** The version of the format that this code writes. */
const BAG_VERSION = 2;

/**
 * The oldest version that this code reads, and makes the newest of when it writes: all that has changed
 * since says itself what it is.
 */
const OLDEST_VERSION = 1;

const FORMAT = "quiver-bag";

/**
 * What a bag may do that a program must know of to use it, such as compressing or signing values:
 * the names that may stand in `features`. `"gzip"` means that arrays are compressed, at the level
 * that the field `gzip` says.
 */
const KNOWN_FEATURES: ReadonlySet<unknown> = new Set(["gzip"]);

function toContent({ gzip }: BagFeatures): string {
  const content = {
    format: FORMAT,
    version: BAG_VERSION,
    digest: "sha256",
    digestScheme: DIGEST_SCHEME,
    features: gzip === undefined ? [] : ["gzip"],
    gzip,
  };
  return `${JSON.stringify(content)}\n`;
}

/** What is decided for a bag when it is created. */
export interface BagFeatures {
  /** The level at which arrays are compressed, 1 to 9; absent for not at all. */
  readonly gzip?: number;
}

/** What is decided for a new bag, and who may use it. */
interface NewBagOptions extends BagFeatures {
  readonly permissions?: CachePermissions | undefined;
}

/** What a process leaves that died while it created the bag. */
const UNFINISHED_REGEXP = /^bag\.json\..*\.tmp$/;

/**
 * Refuses a path that cannot be that of a bag: a file, or something below one.
 *
 * @throws {BagFormatError} If it is one.
 */
export function refuseFile({ root }: BagLayout): void {
  try {
    if (Deno.statSync(root).isDirectory) return;
  } catch (error) {
    if (isDeadLink(root, error)) throw refuseRoot(root, "it is a link that leads nowhere");
    // What is missing can be made, and who may not look is told so by what opens it.
    if (!(error instanceof Deno.errors.NotADirectory)) return;
  }
  throw refuseRoot(root, "it is a file, or lies below one, and a bag is a directory");
}

function refuseRoot(root: string, state: string): BagFormatError {
  return new BagFormatError(
    `Cannot open "${root}" as a bag: ${state}; choose a directory, or a path where there is ` +
      "nothing yet",
  );
}

/**
 * Tells whether a path is a symbolic link to nothing, or to itself, where no directory can be made.
 *
 * @param error What following it has thrown.
 * @returns Whether it is one.
 */
export function isDeadLink(path: string, error: unknown): boolean {
  if (error instanceof Deno.errors.FilesystemLoop) return true;
  try {
    return error instanceof Deno.errors.NotFound && Deno.lstatSync(path).isSymlink;
  } catch {
    return false;
  }
}

/**
 * Makes a new bag out of a directory that is missing or empty; leaves a bag as it is.
 *
 * @param options What is decided for a new bag.
 * @returns What makes files that are as the bag's directory is.
 * @throws {BagFormatError} If the directory holds something else.
 */
export function createBag(
  fileSystem: FileSystem,
  layout: BagLayout,
  { permissions, ...features }: NewBagOptions = {},
): FileSystem {
  refuseLinkedDirectories(layout);
  const isNew = readBagJson(layout) === undefined;
  if (isNew) fileSystem.makeDirectory(layout.root);
  allowUse(layout.root, permissions, isNew);
  const owned = likeDirectory(fileSystem, layout.root);
  if (isNew) {
    const foreign = listRoot(layout.root).find(({ name }) => !UNFINISHED_REGEXP.test(name))?.name;
    // A process that creates the same bag may have finished between the two looks.
    if (foreign !== undefined && readBagJson(layout) === undefined) {
      refuseUnfinished(layout);
      throw new BagFormatError(
        `Cannot open "${layout.root}" as a bag: it holds "${foreign}" but no bag.json; ` +
          "choose a directory that is missing or empty",
      );
    }
    writeBagJson(owned, layout, features);
  }
  // Also for a bag that is there: whoever created it may have died before this.
  createParts(owned, layout);
  if (lookAt(layout.callLog) === undefined) {
    openShared(owned, layout.callLog, { append: true }).close();
    // All names are there that an acknowledged call needs, and that of the bag itself.
    owned.syncDirectory(layout.root);
    syncName(owned, layout.root);
  }
  return owned;
}

/** Says that a directory was to become a backup, which is a bag from its end on. */
function refuseUnfinished(layout: BagLayout): void {
  if (lookAt(layout.backupJson) === undefined) return;
  throw new BagFormatError(
    `Cannot open "${layout.root}" as a bag: it has no bag.json, as the first backup into it was not ` +
      "completed; back up the same bag into it once more, which goes on from there",
  );
}

/** Makes the directories of a bag, and its locks, as far as they are missing. */
export function createParts(fileSystem: FileSystem, layout: BagLayout): void {
  for (const directory of directoriesOf(layout)) {
    if (directory !== layout.quarantine) fileSystem.makeDirectory(directory);
  }
  for (const lock of locksOf(layout)) {
    if (lookAt(lock) === undefined) openShared(fileSystem, lock, { write: true }).close();
  }
}

/** Brings the name of a new bag to the disk itself, where its parent may be read. */
export function syncName(fileSystem: FileSystem, root: string): void {
  try {
    fileSystem.syncDirectory(dirname(root));
  } catch (error) {
    const { NotCapable, PermissionDenied } = Deno.errors;
    if (!(error instanceof NotCapable || error instanceof PermissionDenied)) throw error;
  }
}

/**
 * Writes `bag.json` anew, as that of every new bag with the same features.
 *
 * @param features What is decided for the bag.
 */
export function writeBagJson(
  fileSystem: FileSystem,
  layout: BagLayout,
  features: BagFeatures,
): void {
  try {
    replaceFile(fileSystem, layout.bagJson, [new TextEncoder().encode(toContent(features))]);
  } catch (error) {
    // The first to finish may fold at once, which clears away what others have not finished.
    if (!(error instanceof Deno.errors.NotFound && readBagJson(layout) !== undefined)) throw error;
  }
  fileSystem.syncDirectory(layout.root);
}

/**
 * Has older versions refuse a bag from here on: they would not know what is written into it, and
 * take it for damaged. Nothing else is changed.
 *
 * @throws {BagFormatError} If the directory is not a bag that this version can use, or an older one
 * is writing into it.
 */
export function upgradeBag(fileSystem: FileSystem, layout: BagLayout): void {
  const features = checkBag(layout);
  if (readVersion(layout) === BAG_VERSION) return;
  const isWritten = listJournals(layout).some((name) => isLockedAt(toJournalPath(layout, name)));
  // Another program may have done it since, and begun to write.
  if (isWritten && readVersion(layout) !== BAG_VERSION) {
    throw new BagFormatError(
      `Cannot open "${layout.root}" for writing: a program with an older Quiver is writing into ` +
        'it, and would take new calls for damage; end it first, or open the bag with mode: "read"',
    );
  }
  writeBagJson(fileSystem, layout, features);
}

function readVersion(layout: BagLayout): unknown {
  return parse(layout, readBagJson(layout) ?? "{}").version;
}

/**
 * Checks that a directory is a bag that this version can use.
 *
 * @returns What was decided when the bag was created.
 * @throws {BagFormatError} If it is not.
 */
export function checkBag(layout: BagLayout): BagFeatures {
  refuseLinkedDirectories(layout);
  const text = readBagJson(layout);
  if (text === undefined) {
    refuseUnfinished(layout);
    throw new BagFormatError(
      `Cannot open "${layout.root}" as a bag: it has no bag.json; ` +
        'open it with mode: "readwrite" to create one in a directory that is missing or empty',
    );
  }
  const { format, version, features = [], gzip } = parse(layout, text);
  if (format !== FORMAT || typeof version !== "number") {
    throw new BagFormatError(
      `Cannot open "${layout.root}" as a bag: its bag.json does not say "${FORMAT}"`,
    );
  }
  if (!(version >= OLDEST_VERSION && version <= BAG_VERSION)) {
    throw new BagFormatError(
      `Cannot open "${layout.root}" as a bag: it has format version ${version}, ` +
        `and this is Quiver for version ${BAG_VERSION}; use the Quiver that wrote it`,
    );
  }
  const unknown = Array.isArray(features)
    ? features.find((feature) => !KNOWN_FEATURES.has(feature))
    : features;
  if (unknown !== undefined) {
    throw new BagFormatError(
      `Cannot open "${layout.root}" as a bag: it uses the feature ${JSON.stringify(unknown)}, ` +
        "which this Quiver does not know; use the Quiver that wrote it",
    );
  }
  if (gzip === undefined) return {};
  if (isGzipLevel(gzip)) return { gzip };
  throw new BagFormatError(
    `Cannot open "${layout.root}" as a bag: its bag.json asks for compression at the level ` +
      `${JSON.stringify(gzip)}, and there are 1 to 9`,
  );
}

/**
 * Tells whether something is a level of compression.
 *
 * @param level What may be one.
 * @returns Whether it is an integer from 1 to 9.
 */
export function isGzipLevel(level: unknown): level is number {
  return typeof level === "number" && Number.isInteger(level) && level >= 1 && level <= 9;
}

/**
 * Tells whether `bag.json` can be read at all, whatever it says.
 *
 * @param isOurs Whether other files are those of a bag for certain.
 * @returns Whether it is there and is JSON; and of a bag, whether it is a bag's.
 */
export function isBagJsonReadable(layout: BagLayout, isOurs: boolean): boolean {
  try {
    const text = readBagJson(layout);
    if (text === undefined) return false;
    const { format, version } = parse(layout, text);
    return isOurs ? format === FORMAT && typeof version === "number" : format !== undefined;
  } catch (error) {
    if (error instanceof BagFormatError || error instanceof BagCorruptError) return false;
    throw error;
  }
}

/**
 * Refuses directories of a bag that lie elsewhere: folds and repairs write and remove in them.
 *
 * @throws {BagFormatError} If one is a symbolic link or no directory at all.
 */
export function refuseLinkedDirectories(layout: BagLayout): void {
  for (const path of directoriesOf(layout)) {
    const info = lookAt(path);
    if (info === undefined || info.isDirectory) continue;
    throw new BagFormatError(
      `Cannot open "${layout.root}" as a bag: "${path}" is ` +
        `${info.isSymlink ? "a symbolic link, which a bag never follows" : "no directory"}; ` +
        "put the directory itself there, or make the whole bag a link",
    );
  }
}

function readBagJson(layout: BagLayout): string | undefined {
  const bytes = readWhole(layout.bagJson, SMALL_FILE_BYTES);
  return bytes && new TextDecoder().decode(bytes);
}

function parse(
  layout: BagLayout,
  text: string,
): { format?: unknown; version?: unknown; features?: unknown; gzip?: unknown } {
  try {
    const content: unknown = JSON.parse(text);
    return typeof content === "object" && content !== null ? content : {};
  } catch (cause) {
    throw new BagFormatError(
      `Cannot open "${layout.root}" as a bag: its bag.json cannot be parsed`,
      { cause },
    );
  }
}
