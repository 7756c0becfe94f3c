import { openIfThere } from "./_file_system.ts";

/** How many files stay open for reading; more would run into the usual limit of 1,024. */
const LIMIT = 64;

/** Files that stay open for reading, a bounded number of them. */
export class FileHandles implements Disposable {
  readonly #files = new Map<string, Deno.FsFile>();
  readonly #limit: number;

  /**
   * Creates an empty set.
   *
   * @param limit How many files may be open.
   */
  constructor(limit: number = LIMIT) {
    this.#limit = limit;
  }

  /**
   * Gives a file, opened now or earlier. It is only good until the next call of this.
   *
   * @param path The file.
   * @returns The file, or `undefined` when there is none.
   */
  open(path: string): Deno.FsFile | undefined {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    const file = openIfThere(path);
    if (file === undefined) return undefined;
    for (const oldest of this.#files.keys()) {
      if (this.#files.size < this.#limit) break;
      this.close(oldest);
    }
    this.#files.set(path, file);
    return file;
  }

  /**
   * Closes a file if it is open.
   *
   * @param path The file.
   */
  close(path: string): void {
    this.#files.get(path)?.close();
    this.#files.delete(path);
  }

  /** Closes all files. */
  [Symbol.dispose](): void {
    for (const path of this.#files.keys()) this.close(path);
  }
}
