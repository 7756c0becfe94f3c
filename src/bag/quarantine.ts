import { type FileSystem, openIfThere, readAt, replaceFile } from "../disk/file_system.ts";
import type { BagLayout } from "../disk/layout.ts";

const CHUNK_BYTES = 1024 * 1024;

/**
 * Where a repair puts what is damaged: `quarantine/<time>/` with the paths that the files had. Nobody
 * reads it, and nobody removes it but the user.
 */
export class Quarantine {
  readonly #fileSystem: FileSystem;
  readonly #root: string;
  readonly #directory: string;
  #used = false;

  /**
   * Chooses the directory; it is made with the first file.
   *
   * @param fileSystem The seam.
   * @param layout The bag's paths.
   */
  constructor(fileSystem: FileSystem, layout: BagLayout) {
    const time = new Date().toISOString().replaceAll(/[^0-9TZ]/g, "");
    this.#fileSystem = fileSystem;
    this.#root = layout.root;
    this.#directory = `${layout.quarantine}/${time}-${crypto.randomUUID().slice(0, 8)}`;
  }

  /** The directory, if there is anything in it. */
  get path(): string | undefined {
    return this.#used ? this.#directory : undefined;
  }

  /**
   * Copies a file and brings the copy to the disk itself. The file stays until nothing needs it any
   * more: whoever is killed in between loses nothing.
   *
   * @param path The file.
   * @returns Whether there was such a file.
   */
  copy(path: string): boolean {
    using file = openIfThere(path);
    if (file === undefined) return false;
    this.write(path, chunksOf(file));
    return true;
  }

  /**
   * Writes what was taken out of a file.
   *
   * @param path The file that it comes from.
   * @param chunks What was in it.
   */
  write(path: string, chunks: Iterable<Uint8Array>): void {
    replaceFile(this.#fileSystem, this.#toPath(path), chunks);
  }

  /**
   * Moves a link or whatever else is in the place of a file, without a look at what it leads to.
   *
   * @param path What to move.
   */
  move(path: string): void {
    this.#fileSystem.rename(path, this.#toPath(path));
  }

  #toPath(path: string): string {
    const target = `${this.#directory}${path.slice(this.#root.length)}`;
    this.#fileSystem.makeDirectory(target.slice(0, target.lastIndexOf("/")));
    this.#used = true;
    return target;
  }
}

function* chunksOf(file: Deno.FsFile): Generator<Uint8Array> {
  const size = file.seekSync(0, Deno.SeekMode.End);
  const buffer = new Uint8Array(Math.min(CHUNK_BYTES, size));
  for (let at = 0; at < size; at += buffer.length) {
    const chunk = buffer.subarray(0, Math.min(buffer.length, size - at));
    if (!readAt(file, at, chunk)) return;
    yield chunk;
  }
}
