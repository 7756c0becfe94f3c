import { QuiverError } from "../../base/errors.ts";
import type { FilePlace } from "../../disk/file_system.ts";
import type { ChunkOptions, DatasetChunk, DatasetShape, Hdf5Output } from "./access.ts";
import { type Dtype, dtype_to_metadata, Module } from "./h5wasm.ts";
import { LibraryMemory, OpenFile } from "./open_file.ts";

/** From here on a dataset's bytes do not go through the library's memory, which never shrinks. */
const DIVERT_BYTES = 4 * 1024 * 1024;

/** The number of the filter gzip, which HDF5 calls deflate. */
const DEFLATE = 1;

/** An HDF5 file that is being written. */
export class Hdf5Writer extends OpenFile implements Hdf5Output {
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
    const dimensions = typeof texts === "string" ? [] : [list.length];
    const fixed = toFixedTexts(list);
    const action = `create dataset "${path}"`;
    if (fixed === undefined) {
      const metadata = toMetadata("S", dimensions);
      this.call(action, () => Module.create_vlen_str_dataset(this.id, path, list, metadata));
      return;
    }
    using memory = new LibraryMemory(fixed.bytes.length);
    memory.fill([fixed.bytes]);
    const metadata = toMetadata(fixed.type, dimensions);
    this.call(action, () => Module.create_dataset(this.id, path, memory.address, metadata));
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

/** Up to here texts of different lengths may all take the space of the longest, in bytes. */
const SMALL_TEXTS = 64 * 1024;

/** So many times the space of the texts themselves is no waste. */
const MOST_PADDING = 4;

/**
 * Lays texts out that each take the same space, which more programs read than those of any length.
 *
 * @returns Their type and bytes, or `undefined` where that would take far more space.
 */
function toFixedTexts(
  texts: readonly string[],
): { readonly type: string; readonly bytes: Uint8Array } | undefined {
  const encoder = new TextEncoder();
  const encoded = texts.map((text) => encoder.encode(text));
  const longest = encoded.reduce((most, { length }) => Math.max(most, length), 0);
  const all = encoded.reduce((sum, { length }) => sum + length, 0);
  // The library says of fixed texts that spaces at their end are padding: a NUL behind them keeps them.
  // What has the size of one character, netCDF takes for one.
  const ending = texts.some((text) => text.endsWith(" ")) ? 1 : 0;
  const size = Math.max(longest + ending, 2);
  const length = size * texts.length;
  if (length === 0 || length > Math.max(SMALL_TEXTS, MOST_PADDING * all)) return undefined;
  const bytes = new Uint8Array(length);
  for (const [i, text] of encoded.entries()) bytes.set(text, i * size);
  return { type: `S${size}`, bytes };
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
