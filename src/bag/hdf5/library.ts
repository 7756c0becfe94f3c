/**
 * The HDF5 library, as far as bags use it.
 *
 * By default the library's errors are silent: it writes text to its standard error and goes on with
 * `null` or garbage. So each call here catches that text and throws it. (h5wasm's own throwing
 * handler leaks a file descriptor an error.) Loading costs about 125 ms and 12–34 MB, which is why
 * only the fold's worker does it.
 *
 * @module
 */
import { QuiverError } from "../../base/errors.ts";
import type { FilePlace } from "../../disk/file_system.ts";
import type {
  ChunkOptions,
  DatasetChunk,
  DatasetDimensions,
  DatasetPart,
  DatasetShape,
  Hdf5Access,
  Hdf5Input,
  Hdf5Output,
} from "./access.ts";
import { createPositionedFs, type EmscriptenFs, type PositionedFile } from "./emscripten_fs.ts";
import { type Dtype, dtype_to_metadata, FS, type Metadata, Module, ready } from "./h5wasm.ts";

const STANDARD_ERROR = 2;

/** Emscripten's `FS` as it is; h5wasm's types describe a much older one. */
interface LibraryFs extends EmscriptenFs {
  readonly streams: { stream_ops: Record<string, unknown> }[];
  mkdir(path: string): void;
  mount(type: unknown, options: unknown, path: string): void;
}

/** The library, loaded into this isolate. */
export class Hdf5Library implements Hdf5Access {
  readonly #fs: LibraryFs;
  readonly #directory: string;
  readonly #files = new Map<string, PositionedFile>();
  #opened = 0;

  private constructor(fs: LibraryFs) {
    this.#fs = fs;
    // Loading it twice in an isolate gives one library, but each time a directory of its own.
    this.#directory = `/${crypto.randomUUID()}`;
    fs.mkdir(this.#directory);
    fs.mount(createPositionedFs(fs, this.#files), {}, this.#directory);
  }

  /**
   * Loads the library.
   *
   * @returns The library, ready for use.
   */
  static async load(): Promise<Hdf5Library> {
    await ready;
    // The types of h5wasm lack `streams` and `ErrnoError`, which are there.
    return new Hdf5Library(FS as unknown as LibraryFs);
  }

  create(file: PositionedFile): Hdf5Output {
    return new Hdf5Writer(file, this.#open(file, Module.H5F_ACC_TRUNC), this.#callFor(file));
  }

  open(file: PositionedFile): Hdf5Input {
    return new Hdf5Reader(file, this.#open(file, Module.H5F_ACC_RDONLY), this.#callFor(file));
  }

  #open(file: PositionedFile, mode: number): bigint {
    const name = `${++this.#opened}`;
    this.#files.set(name, file);
    const id = this.#call("open a file", () => {
      // The default bounds: what HDF5 1.8 and later can read.
      return Module.open(`${this.#directory}/${name}`, mode, false, -1, -1);
    });
    this.#files.delete(name);
    return id;
  }

  #callFor(file: PositionedFile): CallLibrary {
    return (action, fn) => {
      try {
        return this.#call(action, fn);
      } finally {
        // What the disk said explains more than what the library makes of it.
        file.check();
      }
    };
  }

  /** Calls the library, and throws if it complains. */
  #call<T>(action: string, fn: () => T): T {
    const stream = this.#fs.streams[STANDARD_ERROR];
    if (stream === undefined) throw new QuiverError(`Cannot ${action}: HDF5 has no standard error`);
    const usual = stream.stream_ops;
    let complaint = "";
    const write = (_: unknown, heap: Int8Array, at: number, length: number): number => {
      complaint += new TextDecoder().decode(new Uint8Array(heap.slice(at, at + length)));
      return length;
    };
    stream.stream_ops = { ...usual, write };
    try {
      const result = fn();
      if (complaint !== "") throw new QuiverError(`Cannot ${action} as HDF5: ${complaint.trim()}`);
      return result;
    } catch (cause) {
      if (cause instanceof QuiverError) throw cause;
      // A damaged file can also trap the library, or make it throw something of its own.
      throw new QuiverError(`Cannot ${action} as HDF5: the library failed`, { cause });
    } finally {
      stream.stream_ops = usual;
    }
  }
}

/** Calls the library, and throws if it complains; `action` is what is done, for the message. */
type CallLibrary = <T>(action: string, fn: () => T) => T;

/** An HDF5 file that is open. */
class OpenFile {
  protected readonly file: PositionedFile;
  protected readonly id: bigint;
  protected readonly call: CallLibrary;

  /**
   * Takes an open file.
   *
   * @param id What the library knows it by.
   * @param call Calls the library.
   */
  constructor(file: PositionedFile, id: bigint, call: CallLibrary) {
    this.file = file;
    this.id = id;
    this.call = call;
  }

  close(): void {
    this.call("close a file", () => Module.close_file(this.id));
  }
}

/** An HDF5 file that is read. */
class Hdf5Reader extends OpenFile implements Hdf5Input {
  names(group: string): string[] {
    return this.call(
      `list "${group}"`,
      () => Array.from(Module.get_names(this.id, group, false)),
    );
  }

  locateDataset(path: string): number | undefined {
    return this.call(`locate dataset "${path}"`, () => {
      const metadata = this.#measured(Module.get_dataset_metadata(this.id, path));
      const { size, shape, chunks } = metadata;
      if (chunks !== null) return undefined;
      using memory = new LibraryMemory(size);
      const reads = this.file.watch();
      const [ones, zeros] = [shape?.map(() => 1n) ?? null, shape?.map(() => 0n) ?? null];
      // What describes the dataset was read above, so the first element is what is read last.
      Module.get_dataset_data(this.id, path, ones, zeros, ones, memory.address);
      return reads.findLast(({ length }) => length >= size)?.offset;
    });
  }

  measureDataset(path: string): number {
    return this.call(`measure dataset "${path}"`, () => {
      const { size, total_size } = this.#measured(Module.get_dataset_metadata(this.id, path));
      return size * total_size;
    });
  }

  describeDataset(path: string): DatasetDimensions {
    return this.call(`describe dataset "${path}"`, () => {
      const metadata = Module.get_dataset_metadata(this.id, path);
      const { shape, chunks } = this.#measured(metadata);
      return { shape: shape?.map(Number) ?? [], ...(chunks && { chunk: chunks.map(Number) }) };
    });
  }

  readPart(path: string, start: readonly number[], count: readonly number[]): DatasetPart {
    return this.call(`read dataset "${path}"`, () => {
      const { size } = this.#measured(Module.get_dataset_metadata(this.id, path));
      const [counts, starts] = [count.map(BigInt), start.map(BigInt)];
      using memory = new LibraryMemory(count.reduce((product, length) => product * length, size));
      const reads = this.file.watch();
      const strides = counts.map(() => 1n);
      Module.get_dataset_data(this.id, path, counts, starts, strides, memory.address);
      return { bytes: memory.copy(), reads };
    });
  }

  readDataset(path: string): Uint8Array<ArrayBuffer> {
    const length = this.measureDataset(path);
    return this.call(`read dataset "${path}"`, () => {
      using memory = new LibraryMemory(length);
      Module.get_dataset_data(this.id, path, null, null, null, memory.address);
      return memory.copy();
    });
  }

  readAttribute(path: string, name: string): string {
    return this.call(`read attribute "${name}" of "${path}"`, () => {
      const metadata = this.#measured(Module.get_attribute_metadata(this.id, path, name));
      using memory = new LibraryMemory(metadata.size * metadata.total_size);
      Module.get_attribute_data(this.id, path, name, memory.address);
      return new TextDecoder().decode(memory.copy());
    });
  }

  /** The library believes what a file says of its sizes, and would write beyond what it was given. */
  #measured(metadata: Metadata): Metadata {
    const { size, total_size, vlen, chunks } = metadata;
    // Deflate does not do better than this: https://zlib.net/zlib_tech.html
    const most = this.file.size * (chunks === null ? 1 : 1032);
    if (vlen || !(size * total_size <= most)) {
      throw new QuiverError("Cannot read as HDF5: something is larger than the file");
    }
    return metadata;
  }

  readExternalLink(path: string): { readonly file: string; readonly target: string } {
    return this.call(`read link "${path}"`, () => {
      const { filename, obj_path } = Module.get_external_link(this.id, path);
      return { file: filename, target: obj_path };
    });
  }
}

/** From here on a dataset's bytes do not go through the library's memory, which never shrinks. */
const DIVERT_BYTES = 4 * 1024 * 1024;

/** The number of the filter gzip, which HDF5 calls deflate. */
const DEFLATE = 1;

/** An HDF5 file that is being written. */
class Hdf5Writer extends OpenFile implements Hdf5Output {
  createGroup(path: string): void {
    this.call(`create group "${path}"`, () => Module.create_group(this.id, path, false));
  }

  createDataset(
    path: string,
    shape: DatasetShape,
    chunks: Iterable<Uint8Array>,
  ): number | undefined {
    const action = `create dataset "${path}"`;
    const diverted = shape.length >= DIVERT_BYTES;
    const accesses = this.file.watch();
    if (diverted) this.file.divert(shape.length, chunks);
    using memory = new LibraryMemory(diverted ? 1 : shape.length);
    if (!diverted) memory.fill(chunks);
    const metadata = toMetadata(shape.type, shape.dimensions ?? [shape.count]);
    this.call(action, () => Module.create_dataset(this.id, path, memory.address, metadata));
    if (diverted && !this.file.endDivert()) {
      throw new QuiverError(`Cannot ${action}: it was not written by one write of its length`);
    }
    const writes = accesses.filter(({ length }) => length === shape.length);
    return writes.length === 1 ? writes[0]?.offset : undefined;
  }

  createChunkedDataset(
    path: string,
    shape: Required<DatasetShape>,
    options: ChunkOptions,
    chunks: Iterable<DatasetChunk>,
  ): (readonly FilePlace[])[] {
    const action = `create dataset "${path}"`;
    const places: (readonly FilePlace[])[] = [];
    for (const { start, count, bytes } of chunks) {
      const [counts, starts] = [count.map(BigInt), start.map(BigInt)];
      using memory = new LibraryMemory(bytes.length);
      memory.fill([bytes]);
      places.push(this.file.watch());
      this.call(action, () => {
        if (places.length > 1) {
          const strides = counts.map(() => 1n);
          Module.set_dataset_data(this.id, path, counts, starts, strides, memory.address);
          return;
        }
        // The library makes no dataset without writing all of it: so it begins as its first chunk.
        const metadata = toMetadata(shape.type, count, { ...options, limit: shape.dimensions });
        Module.create_dataset(this.id, path, memory.address, metadata);
        Module.resize_dataset(this.id, path, shape.dimensions.map(BigInt));
      });
    }
    return places;
  }

  setAttribute(path: string, name: string, text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.#createAttribute(path, name, `S${bytes.length}`, bytes);
  }

  #createAttribute(path: string, name: string, type: string, bytes: Uint8Array): void {
    using memory = new LibraryMemory(bytes.length);
    memory.fill([bytes]);
    const metadata = toMetadata(type, []);
    this.call(
      `create attribute "${name}" of "${path}"`,
      () => Module.create_attribute(this.id, path, name, memory.address, metadata),
    );
  }

  createText(path: string, texts: string | readonly string[]): void {
    const list = typeof texts === "string" ? [texts] : [...texts];
    const metadata = toMetadata("S", typeof texts === "string" ? [] : [list.length]);
    this.call(
      `create dataset "${path}"`,
      () => Module.create_vlen_str_dataset(this.id, path, list, metadata),
    );
  }

  setProperty(path: string, name: string, value: string | number): void {
    if (typeof value === "number") {
      const bytes = new Uint8Array(Float64Array.of(value).buffer);
      return this.#createAttribute(path, name, "<d", bytes);
    }
    const metadata = toMetadata("S", []);
    this.call(
      `create attribute "${name}" of "${path}"`,
      () => Module.create_vlen_str_attribute(this.id, path, name, [value], metadata),
    );
  }

  createHardLink(path: string, target: string): void {
    this.call(`create link "${path}"`, () => Module.create_hard_link(this.id, target, path));
  }

  createSoftLink(path: string, target: string): void {
    this.call(`create link "${path}"`, () => Module.create_soft_link(this.id, target, path));
  }

  createExternalLink(path: string, file: string, target: string): void {
    this.call(
      `create link "${path}"`,
      () => Module.create_external_link(this.id, file, target, path),
    );
  }
}

function toMetadata(
  type: DatasetShape["type"],
  dimensions: readonly number[],
  chunked?: ChunkOptions & { readonly limit: readonly number[] },
): Parameters<typeof Module.create_dataset>[3] {
  const dtype: Dtype = typeof type === "string" ? type : type.map(([name, of]) => [name, of]);
  // h5wasm's own code passes the same fields, of which its types know a part.
  return Object.assign(dtype_to_metadata(dtype), {
    shape: dimensions.map(BigInt),
    maxshape: (chunked?.limit ?? dimensions).map(BigInt),
    chunks: chunked?.shape.map(BigInt) ?? null,
    compression: chunked === undefined ? 0 : DEFLATE,
    compression_opts: chunked === undefined ? [] : [chunked.level],
    track_order: false,
  });
}

/** Memory inside the library. */
class LibraryMemory implements Disposable {
  readonly #at: number;
  readonly #length: number;

  /**
   * Takes memory.
   *
   * @param length How many bytes.
   * @throws {RangeError} If the library has no more.
   */
  constructor(length: number) {
    this.#length = length;
    this.#at = Module._malloc(Math.max(length, 1));
    if (this.#at === 0) throw new RangeError(`Cannot take ${length} bytes of HDF5's memory`);
  }

  /** Where the memory begins. */
  get address(): bigint {
    return BigInt(this.#at);
  }

  /** Writes pieces, one behind the other. */
  fill(chunks: Iterable<Uint8Array>): void {
    let at = this.#at;
    for (const chunk of chunks) {
      // HEAPU8 is another object whenever the memory has grown, so it is taken anew each time.
      Module.HEAPU8.set(chunk, at);
      at += chunk.length;
    }
  }

  /** Reads all of it. */
  copy(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(Module.HEAPU8.slice(this.#at, this.#at + this.#length));
  }

  /** Gives the memory back. */
  [Symbol.dispose](): void {
    Module._free(this.#at);
  }
}
