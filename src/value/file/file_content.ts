/**
 * What files and directories hold.
 *
 * @module
 */
import { FileError } from "../../base/errors.ts";
import { createSha256 } from "../../base/sha256.ts";
import { type Digest, type Payload, VALUE_KIND } from "../value.ts";

/** What the system says of a file: while that stays the same, so do the bytes. */
export interface FileStamp {
  /** The device. */
  readonly dev: number;
  /** The file's number on it; 0 where there are no such numbers. */
  readonly ino: number;
  /** How many bytes it has. */
  readonly size: number;
  /** When its bytes were changed, in milliseconds since 1970. */
  readonly mtime: number;
  /** When anything of it was changed, in milliseconds since 1970; 0 where the system does not say. */
  readonly ctime: number;
}

/** Makes the stamp of a file. */
export function toStamp({ dev, ino, size, mtime, ctime }: Deno.FileInfo): FileStamp {
  return {
    dev,
    ino: ino ?? 0,
    size,
    mtime: mtime?.getTime() ?? 0,
    ctime: ctime?.getTime() ?? 0,
  };
}

/** Makes a text of a stamp that no other stamp has. */
export function toMark({ dev, ino, size, mtime, ctime }: FileStamp): string {
  return `${dev},${ino},${size},${mtime},${ctime}`;
}

/** How much of a file is read at once. */
const PIECE_BYTES = 2 ** 20;

/** How often a file is read that changes meanwhile. */
const MOST_TRIES = 3;

/** Takes the bytes of a file, from the first to the last. */
export interface ByteTaker {
  /** Takes the next bytes, which are good until the next call. */
  update(bytes: Uint8Array<ArrayBuffer>): unknown;
}

/** A file that was read as a whole. */
export interface ReadFile<T extends ByteTaker> {
  /** What the system said of it, before and after. */
  readonly stamp: FileStamp;
  /** Whether its owner may run it. */
  readonly executable: boolean;
  /** How many bytes there were. */
  readonly size: number;
  /** When it was opened, in milliseconds since 1970. */
  readonly openedAt: number;
  /** What took the bytes. */
  readonly taker: T;
}

/**
 * Reads a file from its first to its last byte, and again when it changes meanwhile.
 *
 * @typeParam T What takes the bytes.
 * @param create Makes what takes the bytes; once for each time that the file is read.
 * @param pieceBytes How many bytes it takes at once, but for the last time.
 * @throws {FileError} When it is no file, cannot be read, or does not stop changing.
 */
export function readFile<T extends ByteTaker>(
  path: string,
  create: () => T,
  pieceBytes: number = PIECE_BYTES,
): ReadFile<T> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    // Before it is opened: to open a pipe is to wait for who writes to it.
    refuseSpecial(path, statFile(path));
    const openedAt = Date.now();
    using file = attempt(path, "read", () => Deno.openSync(path));
    const before = file.statSync();
    const taker = create();
    const size = attempt(path, "read", () => readInto(file, taker, pieceBytes));
    const stamp = toMark(toStamp(before));
    const isSame = toMark(toStamp(file.statSync())) === stamp &&
      toMark(toStamp(statFile(path))) === stamp;
    if (!isSame) continue;
    const executable = before.mode !== null && (before.mode & 0o100) !== 0;
    return { stamp: toStamp(before), executable, size, openedAt, taker };
  }
  throw changing(path);
}

function readInto(file: Deno.FsFile, taker: ByteTaker, pieceBytes: number): number {
  const buffer = new Uint8Array(pieceBytes);
  let size = 0;
  let filled = 0;
  for (;;) {
    const count = file.readSync(buffer.subarray(filled));
    if (count === null) break;
    filled += count;
    size += count;
    if (filled < buffer.length) continue;
    taker.update(buffer);
    filled = 0;
  }
  if (filled > 0) taker.update(buffer.subarray(0, filled));
  return size;
}

function changing(path: string): FileError {
  return new FileError(
    `Cannot read "${path}": it changes while it is read; wait until it is written`,
    path,
  );
}

/**
 * Looks at what there is under a path; a link is followed.
 *
 * @throws {FileError} When there is nothing, or nobody may look.
 */
export function statFile(path: string): Deno.FileInfo {
  return attempt(path, "look at", () => Deno.statSync(path));
}

/**
 * Refuses what is neither a file nor a directory.
 *
 * @throws {FileError} When it is something else, such as a socket.
 */
export function refuseSpecial(path: string, info: Deno.FileInfo): void {
  if (info.isFile) return;
  const what = info.isDirectory
    ? "a directory, where a file is needed"
    : info.isFifo
    ? "a pipe"
    : info.isSocket
    ? "a socket"
    : info.isSymlink
    ? "a symbolic link"
    : "a device";
  throw new FileError(`Cannot read "${path}": it is ${what}; pass a file or a directory`, path);
}

/** What a missing permission says names the flag already. */
function attempt<T>(path: string, verb: string, fn: () => T): T {
  try {
    return fn();
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) {
      throw new FileError(`Cannot ${verb} "${path}": there is no such file`, path, { cause });
    }
    if (cause instanceof Deno.errors.NotCapable || !(cause instanceof Error)) throw cause;
    throw new FileError(`Cannot ${verb} "${path}": ${cause.message}`, path, { cause });
  }
}

/** One thing in a directory, as it counts. */
export type TreeItem =
  | {
    readonly type: "file";
    readonly path: string;
    readonly size: number;
    readonly executable: boolean;
    readonly digest: Digest;
  }
  | { readonly type: "directory"; readonly path: string }
  | { readonly type: "link"; readonly path: string; readonly target: string };

/**
 * Lists what is in a directory and in those below, in the order of the paths, and again when that
 * changes meanwhile. Links are not followed.
 *
 * @typeParam T What is made of a file.
 * @param toFile Makes of a file in it what stands for it.
 * @throws {FileError} When something in it is neither file, directory nor link, or it does not stop
 * changing.
 */
export function readTree<T extends TreeItem>(
  root: string,
  toFile: (path: string, item: { readonly path: string; readonly executable: boolean }) => T,
): (T | Exclude<TreeItem, { type: "file" }>)[] {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const found = listTree(root);
    const items = found.map(({ path, info, target }) => {
      if (info.isDirectory) return { type: "directory", path } as const;
      if (target !== undefined) return { type: "link", path, target } as const;
      const executable = info.mode !== null && (info.mode & 0o100) !== 0;
      return toFile(`${root}/${path}`, { path, executable });
    });
    if (toListMark(listTree(root)) === toListMark(found)) return items;
  }
  throw changing(root);
}

interface Listed {
  readonly path: string;
  readonly info: Deno.FileInfo;
  readonly target?: string;
}

function toListMark(listed: readonly Listed[]): string {
  return JSON.stringify(
    listed.map(({ path, info, target }) => [
      path,
      target ?? (info.isDirectory ? "" : toMark(toStamp(info))),
    ]),
  );
}

function listTree(root: string): Listed[] {
  const listed: Listed[] = [];
  const open = [""];
  for (let folder = open.pop(); folder !== undefined; folder = open.pop()) {
    const place = folder === "" ? root : `${root}/${folder}`;
    const names = attempt(place, "list", () => Array.from(Deno.readDirSync(place)));
    for (const { name } of names) {
      const path = folder === "" ? name : `${folder}/${name}`;
      const info = attempt(`${root}/${path}`, "look at", () => Deno.lstatSync(`${root}/${path}`));
      if (info.isSymlink) {
        const target = attempt(
          `${root}/${path}`,
          "read",
          () => Deno.readLinkSync(`${root}/${path}`),
        );
        listed.push({ path, info, target });
        continue;
      }
      if (info.isDirectory) open.push(path);
      else refuseSpecial(`${root}/${path}`, info);
      listed.push({ path, info });
    }
  }
  return listed.sort((one, other) => one.path < other.path ? -1 : 1);
}

/**
 * Digests what is in a directory.
 *
 * @param items What is in it, in the order of the paths.
 * @returns The SHA-256 of one line of JSON for each.
 */
export function digestTree(items: readonly TreeItem[]): Digest {
  const hash = createSha256();
  for (const item of items) {
    const fields = item.type === "file"
      ? [item.type, item.path, item.executable, item.digest]
      : item.type === "link"
      ? [item.type, item.path, item.target]
      : [item.type, item.path];
    hash.update(`${JSON.stringify(fields)}\n`);
  }
  return hash.digest("hex");
}

/**
 * Tells whether a symbolic link leads out of the directory that it belongs to.
 *
 * @param path Where the link lies in the directory.
 * @param target Where it leads.
 */
export function leavesTree(path: string, target: string): boolean {
  if (target.startsWith("/") || target.includes("\\") || /^[a-z]:/i.test(target)) return true;
  let depth = path.split("/").length - 1;
  return target.split("/").some((step) => {
    if (step === "..") depth--;
    else if (step !== "" && step !== ".") depth++;
    return depth < 0;
  });
}

/** A piece of a file is missing in its store, or damaged: who asked for it finds a miss. */
export class MissingChunkError extends FileError {
  override name = "FileError";

  /** Names the file. */
  constructor(path: string) {
    super(`Cannot read "${path}": a piece of it is missing in its cache, or damaged`, path);
  }
}

/**
 * Reads a piece that lies in a store.
 *
 * @param path What the file is called in errors.
 * @throws {MissingChunkError} When it is missing or damaged.
 */
export function loadChunk(
  load: (digest: Digest) => Payload | undefined,
  digest: Digest,
  path: string,
): Uint8Array<ArrayBuffer> {
  const payload = load(digest);
  if (payload?.kind === VALUE_KIND.Uint8Array) return payload.bytes;
  throw new MissingChunkError(path);
}
