/** Counts what this isolate reads from files while it lasts. Reads do not go through the bag's seam. */
export class ReadCounter implements Disposable {
  readonly #readSync = Deno.FsFile.prototype.readSync;
  #reads = 0;
  #bytes = 0;

  constructor() {
    const { readSync } = Deno.FsFile.prototype;
    const count = (bytes: number) => {
      this.#reads++;
      this.#bytes += bytes;
    };
    Deno.FsFile.prototype.readSync = function (this: Deno.FsFile, buffer: Uint8Array) {
      const read = readSync.call(this, buffer);
      count(read ?? 0);
      return read;
    };
  }

  /** Gives how many reads there were since the last time, and of how many bytes. */
  take(): { readonly reads: number; readonly bytes: number } {
    const taken = { reads: this.#reads, bytes: this.#bytes };
    this.#reads = 0;
    this.#bytes = 0;
    return taken;
  }

  [Symbol.dispose](): void {
    Deno.FsFile.prototype.readSync = this.#readSync;
  }
}
