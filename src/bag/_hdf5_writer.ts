import { QuiverError } from "../base/errors.ts";
import { type Dtype, dtype_to_metadata, Module } from "./_hdf5_module.ts";
import { LibraryMemory } from "./_library_memory.ts";
import type { FileAccess, PositionedFile } from "./_positioned_fs.ts";
import type {
  CallLibrary,
  ChunkOptions,
  DatasetChunk,
  DatasetShape,
  Hdf5Output,
} from "./hdf5_access.ts";

/** From here on a dataset's bytes do not go through the library's memory, which never shrinks. */
const DIVERT_BYTES = 4 * 1024 * 1024;

/** The number of the filter gzip, which HDF5 calls deflate. */
const DEFLATE = 1;

/** An HDF5 file that is being written. */
export class Hdf5Writer implements Hdf5Output {
  readonly #file: PositionedFile;
  readonly #id: bigint;
  readonly #call: CallLibrary;

  /**
   * Takes an open file.
   *
   * @param file The file.
   * @param id What the library knows it by.
   * @param call Calls the library.
   */
  constructor(file: PositionedFile, id: bigint, call: CallLibrary) {
    this.#file = file;
    this.#id = id;
    this.#call = call;
  }

  createGroup(path: string): void {
    this.#call(`create group "${path}"`, () => Module.create_group(this.#id, path, false));
  }

  createDataset(
    path: string,
    shape: DatasetShape,
    chunks: Iterable<Uint8Array>,
  ): number | undefined {
    const action = `create dataset "${path}"`;
    const diverted = shape.length >= DIVERT_BYTES;
    this.#file.watch();
    if (diverted) this.#file.divert(shape.length, chunks);
    using memory = new LibraryMemory(Module, diverted ? 1 : shape.length);
    if (!diverted) memory.fill(chunks);
    const metadata = toMetadata(shape.type, shape.dimensions ?? [shape.count]);
    this.#call(action, () => Module.create_dataset(this.#id, path, memory.address, metadata));
    if (diverted && !this.#file.endDivert()) {
      throw new QuiverError(`Cannot ${action}: it was not written by one write of its length`);
    }
    const writes = this.#file.accesses().filter(({ length }) => length === shape.length);
    return writes.length === 1 ? writes[0]?.offset : undefined;
  }

  createChunkedDataset(
    path: string,
    shape: Required<DatasetShape>,
    options: ChunkOptions,
    chunks: Iterable<DatasetChunk>,
  ): FileAccess[][] {
    const action = `create dataset "${path}"`;
    const places: FileAccess[][] = [];
    for (const { start, count, bytes } of chunks) {
      const [counts, starts] = [count.map(BigInt), start.map(BigInt)];
      using memory = new LibraryMemory(Module, bytes.length);
      memory.fill([bytes]);
      this.#file.watch();
      this.#call(action, () => {
        if (places.length > 0) {
          const strides = counts.map(() => 1n);
          Module.set_dataset_data(this.#id, path, counts, starts, strides, memory.address);
          return;
        }
        // The library makes no dataset without writing all of it: so it begins as its first chunk.
        const metadata = toMetadata(shape.type, count, { ...options, limit: shape.dimensions });
        Module.create_dataset(this.#id, path, memory.address, metadata);
        Module.resize_dataset(this.#id, path, shape.dimensions.map(BigInt));
      });
      places.push(this.#file.accesses());
    }
    return places;
  }

  setAttribute(path: string, name: string, text: string): void {
    const bytes = new TextEncoder().encode(text);
    using memory = new LibraryMemory(Module, bytes.length);
    memory.fill([bytes]);
    const metadata = toMetadata(`S${bytes.length}`, []);
    this.#call(
      `create attribute "${name}" of "${path}"`,
      () => Module.create_attribute(this.#id, path, name, memory.address, metadata),
    );
  }

  createText(path: string, texts: string | readonly string[]): void {
    const list = typeof texts === "string" ? [texts] : [...texts];
    const metadata = toMetadata("S", typeof texts === "string" ? [] : [list.length]);
    this.#call(
      `create dataset "${path}"`,
      () => Module.create_vlen_str_dataset(this.#id, path, list, metadata),
    );
  }

  setProperty(path: string, name: string, value: string | number): void {
    const action = `create attribute "${name}" of "${path}"`;
    if (typeof value === "string") {
      const metadata = toMetadata("S", []);
      this.#call(
        action,
        () => Module.create_vlen_str_attribute(this.#id, path, name, [value], metadata),
      );
      return;
    }
    using memory = new LibraryMemory(Module, 8);
    memory.fill([new Uint8Array(Float64Array.of(value).buffer)]);
    const metadata = toMetadata("<d", []);
    this.#call(
      action,
      () => Module.create_attribute(this.#id, path, name, memory.address, metadata),
    );
  }

  createHardLink(path: string, target: string): void {
    this.#call(`create link "${path}"`, () => Module.create_hard_link(this.#id, target, path));
  }

  createSoftLink(path: string, target: string): void {
    this.#call(`create link "${path}"`, () => Module.create_soft_link(this.#id, target, path));
  }

  createExternalLink(path: string, file: string, target: string): void {
    this.#call(
      `create link "${path}"`,
      () => Module.create_external_link(this.#id, file, target, path),
    );
  }

  close(): void {
    this.#call("close a file", () => Module.close_file(this.#id));
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
