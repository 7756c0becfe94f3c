/** What takes and gives memory: Emscripten's module. */
export interface LibraryHeap {
  /** All of the memory; another object whenever it has grown. */
  readonly HEAPU8: Uint8Array;
  /** Takes memory, and returns where it begins, or 0. */
  _malloc(length: number): number;
  /** Gives memory back. */
  _free(at: number): void;
}

/** Memory inside the library. */
export class LibraryMemory implements Disposable {
  readonly #heap: LibraryHeap;
  readonly #at: number;
  readonly #length: number;

  /**
   * Takes memory.
   *
   * @param heap The library.
   * @param length How many bytes.
   * @throws {RangeError} If the library has no more.
   */
  constructor(heap: LibraryHeap, length: number) {
    this.#heap = heap;
    this.#length = length;
    this.#at = this.#heap._malloc(Math.max(length, 1));
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
      // The heap is another object whenever it has grown, so it is taken anew each time.
      this.#heap.HEAPU8.set(chunk, at);
      at += chunk.length;
    }
  }

  /** Reads all of it. */
  copy(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#heap.HEAPU8.slice(this.#at, this.#at + this.#length));
  }

  /** Gives the memory back. */
  [Symbol.dispose](): void {
    this.#heap._free(this.#at);
  }
}
