import { QuiverError } from "../base/errors.ts";
import { type Metadata, Module } from "./_hdf5_module.ts";
import { LibraryMemory } from "./_library_memory.ts";
import type { PositionedFile } from "./_positioned_fs.ts";
import type { CallLibrary, DatasetDimensions, DatasetPart, Hdf5Input } from "./hdf5_access.ts";

/** An HDF5 file that is read. */
export class Hdf5Reader implements Hdf5Input {
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

  names(group: string): string[] {
    return this.#call(
      `list "${group}"`,
      () => Array.from(Module.get_names(this.#id, group, false)),
    );
  }

  locateDataset(path: string): number | undefined {
    return this.#call(`locate dataset "${path}"`, () => {
      const metadata = this.#measured(Module.get_dataset_metadata(this.#id, path));
      const { size, shape, chunks } = metadata;
      if (chunks !== null) return undefined;
      using memory = new LibraryMemory(Module, size);
      this.#file.watch();
      const [ones, zeros] = [shape?.map(() => 1n) ?? null, shape?.map(() => 0n) ?? null];
      // What describes the dataset was read above, so the first element is what is read last.
      Module.get_dataset_data(this.#id, path, ones, zeros, ones, memory.address);
      return this.#file.accesses().findLast(({ length }) => length >= size)?.offset;
    });
  }

  measureDataset(path: string): number {
    return this.#call(`measure dataset "${path}"`, () => {
      const { size, total_size } = this.#measured(Module.get_dataset_metadata(this.#id, path));
      return size * total_size;
    });
  }

  describeDataset(path: string): DatasetDimensions {
    return this.#call(`describe dataset "${path}"`, () => {
      const metadata = Module.get_dataset_metadata(this.#id, path);
      const { shape, chunks } = this.#measured(metadata);
      return { shape: shape?.map(Number) ?? [], ...(chunks && { chunk: chunks.map(Number) }) };
    });
  }

  readPart(path: string, start: readonly number[], count: readonly number[]): DatasetPart {
    return this.#call(`read dataset "${path}"`, () => {
      const { size } = this.#measured(Module.get_dataset_metadata(this.#id, path));
      const [counts, starts] = [count.map(BigInt), start.map(BigInt)];
      using memory = new LibraryMemory(
        Module,
        count.reduce((product, length) => product * length, size),
      );
      this.#file.watch();
      const strides = counts.map(() => 1n);
      Module.get_dataset_data(this.#id, path, counts, starts, strides, memory.address);
      return { bytes: memory.copy(), reads: this.#file.accesses() };
    });
  }

  readDataset(path: string): Uint8Array<ArrayBuffer> {
    const length = this.measureDataset(path);
    return this.#call(`read dataset "${path}"`, () => {
      using memory = new LibraryMemory(Module, length);
      Module.get_dataset_data(this.#id, path, null, null, null, memory.address);
      return memory.copy();
    });
  }

  readAttribute(path: string, name: string): string {
    return this.#call(`read attribute "${name}" of "${path}"`, () => {
      const metadata = this.#measured(Module.get_attribute_metadata(this.#id, path, name));
      using memory = new LibraryMemory(Module, metadata.size * metadata.total_size);
      Module.get_attribute_data(this.#id, path, name, memory.address);
      return new TextDecoder().decode(memory.copy());
    });
  }

  /** The library believes what a file says of its sizes, and would write beyond what it was given. */
  #measured(metadata: Metadata): Metadata {
    const { size, total_size, vlen, chunks } = metadata;
    // Deflate does not do better than this: https://zlib.net/zlib_tech.html
    const most = this.#file.size * (chunks === null ? 1 : 1032);
    if (vlen || !(size * total_size <= most)) {
      throw new QuiverError("Cannot read as HDF5: something is larger than the file");
    }
    return metadata;
  }

  readExternalLink(path: string): { readonly file: string; readonly target: string } {
    return this.#call(`read link "${path}"`, () => {
      const { filename, obj_path } = Module.get_external_link(this.#id, path);
      return { file: filename, target: obj_path };
    });
  }

  close(): void {
    this.#call("close a file", () => Module.close_file(this.#id));
  }
}
