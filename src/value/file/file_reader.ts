/**
 * What reads through a handle; loaded with the first that is read.
 *
 * @module
 */
import { FileError } from "../../base/errors.ts";
import { createSha256 } from "../../base/sha256.ts";
import { loadChunk, MissingChunkError, refuseSpecial, statFile } from "./file_content.ts";
import type { FileState } from "./file_state.ts";

/** How much is read at once. */
const PIECE_BYTES = 2 ** 20;

/**
 * Reads a whole file.
 *
 * @param state What is known of it.
 * @throws {FileError} When it is no file, is not there, or has other bytes than it stands for.
 */
export function readBytes(state: FileState): Uint8Array<ArrayBuffer> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for (const piece of readChunks(state)) {
    pieces.push(piece);
    size += piece.length;
  }
  const [only] = pieces;
  if (only !== undefined && pieces.length === 1) return only;
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const [index, piece] of pieces.entries()) {
    bytes.set(piece, at);
    at += piece.length;
    // Not all of it twice.
    pieces[index] = EMPTY;
  }
  return bytes;
}

const EMPTY = new Uint8Array();

/**
 * Reads a file piece by piece.
 *
 * @param state What is known of it.
 * @returns The pieces, each of them whoever takes it.
 * @throws {FileError} When it is no file, is not there, or, behind its last piece, when it had other
 * bytes than it stands for.
 */
export function* readChunks(state: FileState): Generator<Uint8Array<ArrayBuffer>> {
  const { path, content, load } = state;
  if (content?.directory) {
    throw new FileError(
      `Cannot read "${path}" as a file: it is a directory; read what is in it by its path`,
      path,
    );
  }
  const hash = content && createSha256();
  for (const piece of load === undefined ? readPath(path) : readStored(state, load)) {
    hash?.update(piece);
    yield piece;
  }
  if (hash === undefined || hash.digest("hex") === content?.digest) return;
  if (load !== undefined) throw new MissingChunkError(path);
  throw new FileError(
    `Cannot read "${path}": it has changed since its content was looked at; make the call again`,
    path,
  );
}

function* readPath(path: string): Generator<Uint8Array<ArrayBuffer>> {
  const info = statFile(path);
  refuseSpecial(path, info);
  using file = openFile(path);
  const size = Math.min(Math.max(info.size, 1), PIECE_BYTES);
  for (;;) {
    const piece = new Uint8Array(size);
    const count = file.readSync(piece);
    if (count === null) return;
    yield count === size ? piece : piece.subarray(0, count);
  }
}

function openFile(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable || !(cause instanceof Error)) throw cause;
    throw new FileError(`Cannot read "${path}": ${cause.message}`, path, { cause });
  }
}

function* readStored(
  { path, content }: FileState,
  load: NonNullable<FileState["load"]>,
): Generator<Uint8Array<ArrayBuffer>> {
  const [entry] = content?.entries ?? [];
  if (entry?.type !== "file") return;
  for (const digest of entry.chunks) yield loadChunk(load, digest, path);
}
