import type { PositionedFile } from "./emscripten_fs.ts";
import { Module } from "./h5wasm.ts";

/**
 * Calls the library, and throws if it complains; `action` is what is done, for the message. A complaint
 * that `ignored` matches is none.
 */
export type CallLibrary = <T>(action: string, fn: () => T, ignored?: RegExp) => T;

/** An HDF5 file that is open. */
export class OpenFile {
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

/** Memory inside the library. */
export class LibraryMemory implements Disposable {
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
