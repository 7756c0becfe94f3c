/**
 * A file system for Emscripten that sees the position of every read and write.
 *
 * The HDF5 library does not tell where in a file the raw bytes of a dataset lie. Mounted into it,
 * this tells: a contiguous dataset is written by one write of exactly its length, and read by a
 * read that begins where it lies.
 * See https://emscripten.org/docs/api_reference/Filesystem-API.html for the interface.
 *
 * @module
 */
import { type FilePlace, type FileSystem, readAt, writeAll } from "../../disk/file_system.ts";

/** A node of Emscripten's file tree: a directory, or a file of ours. */
interface EmscriptenNode {
  /** The number of the node. */
  readonly id: number;
  /** Type and permissions, as `stat` has them. */
  readonly mode: number;
  /** What can be done with the node. */
  node_ops: unknown;
  /** What can be done with the node when it is open. */
  stream_ops: unknown;
  /** The file; absent in a directory. */
  file?: PositionedFile;
}

/** An open file in Emscripten. */
interface EmscriptenStream {
  /** The node that is open. */
  readonly node: EmscriptenNode;
  /** Where the stream stands, in bytes. */
  readonly position: number;
}

/** The part of Emscripten's `FS` that a mounted file system works with. */
export interface EmscriptenFs {
  /** The only error that Emscripten turns into an error number. */
  readonly ErrnoError: new (errno: number) => Error;
  /** Makes a node. */
  createNode(
    parent: EmscriptenNode | null,
    name: string,
    mode: number,
    device: number,
  ): EmscriptenNode;
}

const DIRECTORY_MODE = 0o040777;
const FILE_MODE = 0o100666;
const NO_ENTRY = 44;
const SEEK_CURRENT = 1;
const SEEK_END = 2;

/** One file as the library sees it. */
export class PositionedFile {
  readonly #fileSystem: FileSystem;
  readonly #file: Deno.FsFile;
  /** What was read or written since {@linkcode PositionedFile.watch}. */
  #accesses: FilePlace[] = [];
  #diverted: { length: number; chunks: Iterable<Uint8Array> } | undefined;
  #failure: { error: unknown } | undefined;

  /**
   * Wraps an open file.
   *
   * @param file The file; whoever opened it closes it.
   */
  constructor(fileSystem: FileSystem, file: Deno.FsFile) {
    this.#fileSystem = fileSystem;
    this.#file = file;
  }

  /** The size of the file in bytes. */
  get size(): number {
    return this.#file.seekSync(0, Deno.SeekMode.End);
  }

  /**
   * Tells which reads and writes there are from now on, until this is called again.
   *
   * @returns The places that the library asks for, in order; more are added as they come.
   */
  watch(): readonly FilePlace[] {
    this.#accesses = [];
    return this.#accesses;
  }

  /**
   * Takes the bytes of the next write of a length from elsewhere than the library's memory.
   *
   * @param length The length of the write.
   * @param chunks What is written instead.
   */
  divert(length: number, chunks: Iterable<Uint8Array>): void {
    this.#diverted = { length, chunks };
  }

  /**
   * Ends {@linkcode PositionedFile.divert}.
   *
   * @returns Whether the write came.
   */
  endDivert(): boolean {
    const came = this.#diverted === undefined;
    this.#diverted = undefined;
    return came;
  }

  /** Throws what the disk threw, if it did. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Reads for the library. */
  read(bytes: Uint8Array, position: number): number {
    let count = 0;
    this.#accesses.push({ offset: position, length: bytes.length });
    this.#attempt(() => {
      count = Math.max(0, Math.min(bytes.length, this.size - position));
      if (!readAt(this.#file, position, bytes.subarray(0, count))) count = 0;
    });
    return count;
  }

  /** Writes for the library. */
  write(bytes: Uint8Array, length: number, position: number): number {
    this.#accesses.push({ offset: position, length });
    this.#attempt(() => {
      this.#file.seekSync(position, Deno.SeekMode.Start);
      for (const chunk of this.#take(bytes, length)) writeAll(this.#fileSystem, this.#file, chunk);
    });
    return length;
  }

  /** Cuts or extends the file for the library. */
  truncate(length: number): void {
    this.#attempt(() => this.#fileSystem.truncate(this.#file, length));
  }

  #take(bytes: Uint8Array, length: number): Iterable<Uint8Array> {
    if (this.#diverted?.length !== length) return [bytes];
    const { chunks } = this.#diverted;
    this.#diverted = undefined;
    return chunks;
  }

  /**
   * An error must not cross the library's frames, which would leave it in no known state: it is
   * kept for `check()`, and the file, which is lost now, takes all that follows.
   */
  #attempt(access: () => void): void {
    if (this.#failure !== undefined) return;
    try {
      access();
    } catch (error) {
      this.#failure = { error };
    }
  }
}

/**
 * Makes what `FS.mount()` takes: one flat directory.
 *
 * @param fs Emscripten's `FS`.
 * @param files The files in the directory; may change at any time.
 */
export function createPositionedFs(
  fs: EmscriptenFs,
  files: ReadonlyMap<string, PositionedFile>,
): { mount(): EmscriptenNode } {
  const nodeOps = {
    getattr: (node: EmscriptenNode) => toAttributes(node),
    setattr(node: EmscriptenNode, attributes: { size?: number }): void {
      if (attributes.size !== undefined) node.file?.truncate(attributes.size);
    },
    lookup(parent: EmscriptenNode, name: string): EmscriptenNode {
      const file = files.get(name);
      if (file === undefined) throw new fs.ErrnoError(NO_ENTRY);
      const node = createNode(parent, name, FILE_MODE);
      node.file = file;
      return node;
    },
  };
  const streamOps = {
    llseek(stream: EmscriptenStream, offset: number, whence: number): number {
      if (whence === SEEK_CURRENT) return stream.position + offset;
      return whence === SEEK_END ? (stream.node.file?.size ?? 0) + offset : offset;
    },
    read(stream: EmscriptenStream, heap: Int8Array, at: number, length: number, position: number) {
      return stream.node.file?.read(new Uint8Array(heap.buffer, at, length), position) ?? 0;
    },
    write(stream: EmscriptenStream, heap: Int8Array, at: number, length: number, position: number) {
      // A diverted write may name bytes beyond the heap: nobody looks at them.
      const end = Math.min(at + length, heap.byteLength);
      const bytes = new Uint8Array(heap.buffer, at, end - at);
      return stream.node.file?.write(bytes, length, position) ?? 0;
    },
  };
  function createNode(parent: EmscriptenNode | null, name: string, mode: number): EmscriptenNode {
    const node = fs.createNode(parent, name, mode, 0);
    node.node_ops = nodeOps;
    node.stream_ops = streamOps;
    return node;
  }
  return { mount: () => createNode(null, "/", DIRECTORY_MODE) };
}

function toAttributes(node: EmscriptenNode): Record<string, unknown> {
  const size = node.file?.size ?? 0;
  const time = new Date(0);
  return {
    dev: 1,
    ino: node.id,
    mode: node.mode,
    nlink: 1,
    uid: 0,
    gid: 0,
    rdev: 0,
    size,
    atime: time,
    mtime: time,
    ctime: time,
    blksize: 4096,
    blocks: Math.ceil(size / 512),
  };
}
