import { QuiverError } from "../../base/errors.ts";
import type { DatasetDimensions, DatasetPart, Hdf5Input } from "./access.ts";
import { type Metadata, Module } from "./h5wasm.ts";
import { LibraryMemory, OpenFile } from "./open_file.ts";

/** An HDF5 file that is read. */
export class Hdf5Reader extends OpenFile implements Hdf5Input {
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

  hasAttribute(path: string, name: string): boolean {
    return this.call(
      `list the attributes of "${path}"`,
      () => Array.from(Module.get_attribute_names(this.id, path)).includes(name),
    );
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
