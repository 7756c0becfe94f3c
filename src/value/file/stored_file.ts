/**
 * A file in a store: a node of a graph, which `src/bag/FORMAT.md` specifies ("Files"), and the bytes of
 * an output in pieces, each a byte array under a digest of its own, so that no file is too large and
 * nobody ever holds one in memory.
 *
 * @module
 */
import { FileError } from "../../base/errors.ts";
import { createSha256 } from "../../base/sha256.ts";
import { toArrayPart } from "../array_part.ts";
import { type Digest, type EncodedPart, VALUE_KIND } from "../value.ts";
import {
  digestTree,
  leavesTree,
  loadChunk,
  MissingChunkError,
  readFile,
  readTree,
  statFile,
} from "./file_content.ts";
import { FileHandle } from "./file_handle.ts";
import type { FileContent, FileEntry, FileState } from "./file_state.ts";

/** How many bytes a piece has, but for the last one of a file. */
export const CHUNK_BYTES: number = 2 ** 23;

/** A part whose bytes are read when they are asked for, and not kept. */
class LazyPart implements EncodedPart {
  readonly digest: Digest;
  readonly kind = VALUE_KIND.Uint8Array;
  readonly lazy = true;
  readonly #read: () => Uint8Array<ArrayBuffer>;
  readonly #last: LastPiece;

  constructor(digest: Digest, last: LastPiece, read: () => Uint8Array<ArrayBuffer>) {
    this.digest = digest;
    this.#last = last;
    this.#read = read;
  }

  /** Whoever stores a part asks more than once. */
  get bytes(): Uint8Array<ArrayBuffer> {
    const last = this.#last;
    if (last.digest !== this.digest || last.bytes === undefined) {
      last.bytes = undefined;
      last.bytes = this.#read();
      last.digest = this.digest;
    }
    return last.bytes;
  }
}

/** The one piece of a file that is in memory. */
interface LastPiece {
  digest?: Digest;
  bytes: Uint8Array<ArrayBuffer> | undefined;
}

/**
 * Looks at what a task has written, in one pass over its bytes.
 *
 * @param path Where the file or directory is.
 * @returns What it holds, in pieces.
 * @throws {FileError} When there is nothing, something that cannot be stored, or it does not stop
 * changing.
 */
export function readOutput(path: string): FileContent & { readonly entries: readonly FileEntry[] } {
  if (!statFile(path).isDirectory) {
    const entry = readEntry(path, "");
    return { directory: false, digest: entry.digest, size: entry.size, entries: [entry] };
  }
  const entries = readTree(path, (place, { path }) => readEntry(place, path));
  let size = 0;
  for (const entry of entries) {
    if (entry.type === "file") size += entry.size;
    if (entry.type === "link" && leavesTree(entry.path, entry.target)) {
      throw new FileError(
        `Cannot store the output "${path}": its link "${entry.path}" leads out of it, to ` +
          `"${entry.target}"; leave a copy in its place`,
        `${path}/${entry.path}`,
      );
    }
  }
  return { directory: true, digest: digestTree(entries), size, entries };
}

type FileEntryOfBytes = Extract<FileEntry, { type: "file" }>;

function readEntry(place: string, path: string): FileEntryOfBytes {
  const create = () => {
    const hash = createSha256();
    const chunks: Digest[] = [];
    const update = (bytes: Uint8Array<ArrayBuffer>) => {
      hash.update(bytes);
      chunks.push(toArrayPart(bytes, "Uint8Array").digest);
    };
    return { hash, chunks, update };
  };
  const { executable, size, taker } = readFile(place, create, CHUNK_BYTES);
  const digest = taker.hash.digest("hex");
  return { type: "file", path, size, executable, digest, chunks: taker.chunks };
}

/**
 * Gives the pieces of a file that is to be stored.
 *
 * @param state What is known of it, its content included.
 * @returns The pieces in their order, each read only when its bytes are asked for.
 */
export function* partsOfFile({ path, content, load }: FileState): Generator<EncodedPart> {
  const last: LastPiece = { bytes: undefined };
  for (const entry of content?.entries ?? []) {
    if (entry.type !== "file") continue;
    const place = entry.path === "" ? path : `${path}/${entry.path}`;
    for (const [index, digest] of entry.chunks.entries()) {
      const read = load === undefined
        ? () => readPiece(place, index * CHUNK_BYTES, entry.size, digest)
        : () => loadPiece(load, digest, place);
      yield new LazyPart(digest, last, read);
    }
  }
}

/** Whoever stores a piece under its digest takes it for what that says. */
function loadPiece(
  load: NonNullable<FileState["load"]>,
  digest: Digest,
  path: string,
): Uint8Array<ArrayBuffer> {
  const bytes = loadChunk(load, digest, path);
  if (toArrayPart(bytes, "Uint8Array").digest === digest) return bytes;
  throw new MissingChunkError(path);
}

function readPiece(
  path: string,
  offset: number,
  size: number,
  digest: Digest,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.min(CHUNK_BYTES, size - offset));
  using file = Deno.openSync(path);
  file.seekSync(offset, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < bytes.length) {
    const count = file.readSync(bytes.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  if (filled === bytes.length && toArrayPart(bytes, "Uint8Array").digest === digest) return bytes;
  throw new FileError(`Cannot store the output "${path}": it changes while it is stored`, path);
}

/** How texts are written, and what the graph is for. */
interface FileNodeOptions {
  /** Writes a text. */
  readonly toSlot: (text: string) => unknown;
  /** Whether the graph goes to a store, which knows nothing of the places of this machine. */
  readonly stored: boolean;
}

/** Writes the node of a file. */
export function toFileNode(
  handle: FileHandle,
  { toSlot, stored }: FileNodeOptions,
): readonly unknown[] {
  const { path, always = false, output, content } = FileHandle.stateOf(handle);
  const place = stored && output !== undefined ? undefined : toSlot(path);
  const head = [
    "File",
    place,
    output === undefined ? undefined : toSlot(output),
    always && !stored,
  ];
  if (content === undefined) return head;
  const { directory, digest, size, entries = [] } = content;
  const rest = entries.map((entry) => {
    const name = toSlot(entry.path);
    if (entry.type === "directory") return [entry.type, name];
    if (entry.type === "link") return [entry.type, name, toSlot(entry.target)];
    const { size, executable, digest, chunks } = entry;
    return [entry.type, name, size, executable, toBytes(digest), toBytes(chunks.join(""))];
  });
  return [...head, directory, toBytes(digest), size, ...rest];
}

function toBytes(hex: string): Uint8Array {
  return Uint8Array.fromHex(hex);
}

/** How a node is read. */
interface ReadNodeOptions {
  /** Reads a text. */
  readonly toText: (slot: unknown) => string;
  /** Reads pieces, where the node comes from a store. */
  readonly load?: FileState["load"] | undefined;
}

/**
 * Makes a file of its node, of which anybody may have written anything.
 *
 * @throws {SyntaxError} If it is none that {@linkcode toFileNode} writes.
 */
export function fromFileNode(
  [, place, name, always, directory, digest, size, ...entries]: readonly unknown[],
  { toText, load }: ReadNodeOptions,
): FileHandle {
  if (typeof always !== "boolean" || place === undefined && name === undefined) throw malformed();
  const output = name === undefined ? undefined : toText(name);
  const state: FileState = {
    path: place === undefined || load !== undefined && output !== undefined
      ? output ?? ""
      : toText(place),
    ...(always && { always }),
    ...(output !== undefined && { output }),
    ...(load !== undefined && output !== undefined && { load }),
  };
  if (state.path === "" || state.path.includes("\0")) throw malformed();
  if (digest === undefined) {
    if (load !== undefined) throw malformed();
    return new FileHandle({ ...state, ...(output !== undefined && { own: true }) });
  }
  if (typeof directory !== "boolean" || !isCount(size)) throw malformed();
  const read = entries.map((entry) => toEntry(entry, toText));
  const content = { directory, digest: toHex(digest, 1), size };
  if (read.length === 0 && (!directory || output === undefined)) {
    if (output !== undefined) throw malformed();
    return new FileHandle({ ...state, content });
  }
  const whole = { ...content, entries: read };
  checkEntries(whole);
  return new FileHandle({ ...state, content: whole });
}

/** What says one thing of a whole and another of its parts is nothing that Quiver has written. */
function checkEntries({ directory, digest, size, entries }: Required<FileContent>): void {
  const [only] = entries;
  if (!directory) {
    const isOne = entries.length === 1 && only?.type === "file" && only.path === "";
    if (!isOne || only.digest !== digest || only.size !== size) throw malformed();
    return;
  }
  let sum = 0;
  let last = "";
  const folders = new Set([""]);
  for (const entry of entries) {
    const { path } = entry;
    if (path <= last || !isInside(path)) throw malformed();
    if (!folders.has(path.slice(0, Math.max(path.lastIndexOf("/"), 0)))) throw malformed();
    if (entry.type === "directory") folders.add(path);
    if (entry.type === "link" && leavesTree(path, entry.target)) throw malformed();
    if (entry.type === "file") sum += entry.size;
    last = path;
  }
  if (sum !== size || digestTree(entries) !== digest) throw malformed();
}

function isInside(path: string): boolean {
  return !path.includes("\0") &&
    path.split("/").every((step) => step !== "" && step !== "." && step !== "..");
}

function toEntry(entry: unknown, toText: ReadNodeOptions["toText"]): FileEntry {
  if (!Array.isArray(entry)) throw malformed();
  const [type, name, first, executable, digest, chunks]: readonly unknown[] = entry;
  const path = toText(name);
  if (type === "directory") return { type, path };
  if (type === "link") return { type, path, target: toText(first) };
  if (type !== "file" || !isCount(first) || typeof executable !== "boolean") throw malformed();
  const pieces = Math.ceil(first / CHUNK_BYTES);
  const hex = toHex(chunks, pieces);
  return {
    type,
    path,
    size: first,
    executable,
    digest: toHex(digest, 1),
    chunks: Array.from({ length: pieces }, (_, i) => hex.slice(i * 64, (i + 1) * 64)),
  };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function toHex(bytes: unknown, digests: number): string {
  if (!(bytes instanceof Uint8Array) || bytes.length !== digests * 32) throw malformed();
  return bytes.toHex();
}

function malformed(): SyntaxError {
  return new SyntaxError("Cannot decode a value: its graph is malformed: a File");
}

/**
 * Lists the digests of the pieces that a node refers to.
 *
 * @param node The node, of which anybody may have written anything.
 */
export function chunksOfNode(node: readonly unknown[]): string[] {
  const digests: string[] = [];
  for (const entry of node.slice(7)) {
    const chunks: unknown = Array.isArray(entry) ? entry[5] : undefined;
    if (!(chunks instanceof Uint8Array)) continue;
    for (let at = 0; at + 32 <= chunks.length; at += 32) {
      digests.push(chunks.subarray(at, at + 32).toHex());
    }
  }
  return digests;
}
