import { dirname } from "node:path";
import { FileError } from "../../base/errors.ts";
import { leavesTree, readTree, statFile } from "./file_content.ts";
import { FileDigests } from "./file_digests.ts";
import type { FileEntry, FileState } from "./file_state.ts";
import { readChunks } from "./file_reader.ts";

/** A file that becomes another one when it is whole. */
export interface TemporaryFile {
  /** Where it is. */
  readonly path: string;
  /** The file, open for writing. */
  readonly file: Deno.FsFile;
}

/** How files are put in their places. */
export interface PlaceOptions {
  /** Makes a file in a directory, with permissions as far as the umask allows them. */
  readonly createTemporary: (directory: string, mode: number) => TemporaryFile;
  /** Knows what is there already. */
  readonly digests: FileDigests;
  /** Throws where nothing may be written; asked before anything is. */
  readonly allow: (path: string) => void;
}

/**
 * Puts a file or directory where it is missing or differs; other files in such a directory stay. Each
 * file is there as a whole or not at all.
 *
 * @param state What it is, its entries included.
 * @param target Where to.
 * @param options Who may write, and what is known.
 * @throws {FileError} When something else is in the way.
 * @throws {MissingChunkError} When the store has lost a piece.
 */
export function placeFile(state: FileState, target: string, options: PlaceOptions): void {
  const { content } = state;
  if (content?.entries === undefined) return;
  if (content.directory) makeDirectory(target, options);
  const links: (() => void)[] = [];
  for (const entry of content.entries) {
    if (Deno.build.os === "windows" && /[\\:]/.test(entry.path)) {
      throw new FileError(`Cannot put back "${entry.path}": Windows has no such names`, entry.path);
    }
    const place = entry.path === "" ? target : `${target}/${entry.path}`;
    if (entry.type === "directory") makeDirectory(place, options);
    else if (entry.type === "link") links.push(() => placeLink(place, entry, options));
    else placeOne(toSource(state, entry), place, entry, options);
  }
  // What is behind a link is never written to.
  for (const place of links) place();
}

type EntryOf<T extends FileEntry["type"]> = Extract<FileEntry, { type: T }>;

/** One file of a directory as a file. */
function toSource({ path, load }: FileState, entry: EntryOf<"file">): FileState {
  const { digest, size } = entry;
  return {
    path: entry.path === "" ? path : `${path}/${entry.path}`,
    content: { directory: false, digest, size, entries: [{ ...entry, path: "" }] },
    ...(load !== undefined && { load }),
  };
}

function placeOne(
  source: FileState,
  target: string,
  { digest, size, executable }: EntryOf<"file">,
  { digests, allow, createTemporary }: PlaceOptions,
): void {
  const there = look(target);
  if (there?.isDirectory) throw inTheWay(target, "a directory");
  if (there?.isFile && there.size === size && digests.contentOf(target).digest === digest) {
    const mode = there.mode ?? 0;
    if (Deno.build.os === "windows" || (mode & 0o100) !== 0 === executable) return;
    allow(target);
    return Deno.chmodSync(target, toMode(mode, executable));
  }
  allow(target);
  Deno.mkdirSync(dirname(target), { recursive: true });
  const temporary = createTemporary(dirname(target), executable ? 0o777 : 0o666);
  writeWhole(target, readChunks(source), temporary);
}

/** Who may read it may run it. */
function toMode(mode: number, executable: boolean): number {
  return executable ? (mode & 0o777) | ((mode & 0o444) >> 2) : mode & 0o666;
}

function writeWhole(
  target: string,
  pieces: Iterable<Uint8Array>,
  { path, file }: TemporaryFile,
): void {
  // Whoever has it locked lets go of it when it is in its place.
  using _file = file;
  try {
    for (const piece of pieces) {
      for (let at = 0; at < piece.length;) at += file.writeSync(piece.subarray(at));
    }
    Deno.renameSync(path, target);
  } catch (error) {
    try {
      Deno.removeSync(path);
    } catch {
      // What went wrong first is what is told.
    }
    throw error;
  }
}

function makeDirectory(path: string, { allow }: PlaceOptions): void {
  const there = look(path);
  if (there?.isDirectory) return;
  if (there !== undefined) throw inTheWay(path, there.isSymlink ? "a symbolic link" : "a file");
  allow(path);
  Deno.mkdirSync(path, { recursive: true });
}

function placeLink(path: string, entry: EntryOf<"link">, { allow }: PlaceOptions): void {
  const { target } = entry;
  const there = look(path);
  if (there?.isSymlink && Deno.readLinkSync(path) === target) return;
  if (there?.isDirectory) throw inTheWay(path, "a directory");
  if (leavesTree(entry.path, target)) {
    throw new FileError(`Cannot put back the link "${path}": it leads out of its directory`, path);
  }
  allow(path);
  const temporary = `${dirname(path)}/.${crypto.randomUUID()}.tmp`;
  Deno.symlinkSync(target, temporary);
  Deno.renameSync(temporary, path);
}

function inTheWay(path: string, what: string): FileError {
  return new FileError(`Cannot put back "${path}": there is ${what} in its place; move it`, path);
}

function look(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Puts the content of a file or directory in another place, where it is not there already.
 *
 * @param state What is known of it.
 * @param path Where to, absolute.
 * @throws {FileError} When the content is not there any more, or something else is in the way.
 */
export function copyTo(state: FileState, path: string): void {
  const digests = new FileDigests();
  const content = state.content ?? digests.contentOf(state.path);
  const whole = content.entries === undefined
    ? { ...content, entries: listEntries(state.path, content.directory, digests) }
    : content;
  const createTemporary = (directory: string, mode: number) => {
    const path = `${directory}/.${crypto.randomUUID()}.tmp`;
    return { path, file: Deno.openSync(path, { write: true, createNew: true, mode }) };
  };
  placeFile({ ...state, content: whole }, path, { digests, createTemporary, allow: () => {} });
}

function listEntries(root: string, directory: boolean, digests: FileDigests): FileEntry[] {
  const toEntry = (place: string, path: string): FileEntry => {
    const { digest, size } = digests.contentOf(place);
    const mode = statFile(place).mode ?? 0;
    return { type: "file", path, size, executable: (mode & 0o100) !== 0, digest, chunks: [] };
  };
  return directory
    ? readTree(
      root,
      (place, { path }) => toEntry(place, path) as Extract<FileEntry, { type: "file" }>,
    )
    : [toEntry(root, "")];
}
