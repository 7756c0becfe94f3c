import { readAt } from "../disk/file_system.ts";
import { toTableBytes } from "./table_header.ts";
import { createRowBytes, ROW_BYTES, type RowBytes, toRowBytes } from "./table_row.ts";

/** How many rows are read at once by who asks for one after another. */
const CHUNK_ROWS = 1024;

/** Where the rows of a table are. */
export interface RowSource {
  /** What was brought within reach last. */
  readonly rows: RowBytes;
  /**
   * Brings a row within reach.
   *
   * @param row The number of the row.
   * @returns Where in `rows` it begins, or -1 when it cannot be read.
   */
  seek(row: number): number;
}

/** Rows that are all in memory. */
export class MemoryRows implements RowSource {
  readonly rows: RowBytes;

  /**
   * Takes the rows.
   *
   * @param bytes The rows.
   */
  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.rows = toRowBytes(bytes);
  }

  seek(row: number): number {
    return row * ROW_BYTES;
  }
}

/** Rows that are read from the table's file when they are asked for. */
export class FileRows implements RowSource {
  readonly rows: RowBytes = createRowBytes(CHUNK_ROWS);
  readonly #open: () => Deno.FsFile | undefined;
  readonly #size: number;
  #begin = 0;
  #end = 0;

  /**
   * Reads nothing yet.
   *
   * @param open Gives the open table's file, or `undefined` when it is gone.
   * @param size How many rows there are.
   */
  constructor(open: () => Deno.FsFile | undefined, size: number) {
    this.#open = open;
    this.#size = size;
  }

  seek(row: number): number {
    if (row < this.#begin || row >= this.#end) {
      // One alone, unless the one before was asked for last.
      const count = row === this.#end ? Math.min(CHUNK_ROWS, this.#size - row) : 1;
      const bytes = this.rows.bytes.subarray(0, count * ROW_BYTES);
      const file = this.#open();
      this.#begin = row;
      this.#end = row;
      if (file === undefined || !readAt(file, toTableBytes(row), bytes)) return -1;
      this.#end = row + count;
    }
    return (row - this.#begin) * ROW_BYTES;
  }
}
