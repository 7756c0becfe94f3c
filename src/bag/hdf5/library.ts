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
import type { DatasetInput, Hdf5Access, Hdf5Input, Hdf5Output } from "./access.ts";
import { DatasetReader } from "./dataset_reader.ts";
import { createPositionedFs, type EmscriptenFs, type PositionedFile } from "./emscripten_fs.ts";
import { FS, Module, ready } from "./h5wasm.ts";
import type { CallLibrary } from "./open_file.ts";
import { Hdf5Reader } from "./reader.ts";
import { Hdf5Writer } from "./writer.ts";

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

  openDatasets(file: PositionedFile): DatasetInput {
    return new DatasetReader(file, this.#open(file, Module.H5F_ACC_RDONLY), this.#callFor(file));
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
    return (action, fn, ignored) => {
      try {
        return this.#call(action, fn, ignored);
      } finally {
        // What the disk said explains more than what the library makes of it.
        file.check();
      }
    };
  }

  /** Calls the library, and throws if it complains. */
  #call<T>(action: string, fn: () => T, ignored?: RegExp): T {
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
      const ignore = ignored?.test(complaint) ?? false;
      if (complaint !== "" && !ignore) {
        throw new QuiverError(`Cannot ${action} as HDF5: ${complaint.trim()}`);
      }
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
