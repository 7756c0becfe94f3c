import { readAt } from "./_file_system.ts";

const WINDOW_BYTES = 256 * 1024;

/** A file whose pieces are read one behind the other: each read of the disk is large. */
export class FileWindow {
  readonly #file: Deno.FsFile;
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #begin = 0;
  #length = 0;

  /**
   * Wraps an open file. What was read once is not read again, so no piece may change that others
   * have asked for.
   *
   * @param file The file; whoever opened it closes it.
   */
  constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  /**
   * Reads a piece.
   *
   * @param offset Where it begins, in bytes.
   * @param length How long it is, in bytes.
   * @returns The bytes, good until the next call; or `undefined` when the file is too short.
   */
  read(offset: number, length: number): Uint8Array | undefined {
    if (offset < this.#begin || offset + length > this.#begin + this.#length) {
      if (!this.#load(offset, length)) return undefined;
    }
    const at = offset - this.#begin;
    return this.#bytes.subarray(at, at + length);
  }

  #load(offset: number, length: number): boolean {
    const rest = this.#file.seekSync(0, Deno.SeekMode.End) - offset;
    if (rest < length) return false;
    const size = Math.max(WINDOW_BYTES, length);
    if (this.#bytes.length < size) this.#bytes = new Uint8Array(size);
    this.#begin = offset;
    this.#length = Math.min(this.#bytes.length, rest);
    if (readAt(this.#file, offset, this.#bytes.subarray(0, this.#length))) return true;
    this.#length = 0;
    return false;
  }
}
