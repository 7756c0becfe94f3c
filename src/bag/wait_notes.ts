import { type FileSystem, openIfThere, readAt, writeAll } from "./_file_system.ts";
import { decodeCheckedLine, encodeCheckedLine } from "./checked_line.ts";
import {
  abandonOwnFile,
  createOwnFile,
  listOwnFiles,
  type OwnFile,
  type OwnFileLayout,
} from "./own_file.ts";

/** A note of more bytes is no note. */
const LARGEST_BYTES = 2 ** 24;

/**
 * What each open handle of a bag or another cache tells the others about its waiting calls: one checked line in
 * `locks/waits-<uuid>`, whose lock says that its writer lives. What the note of a dead writer says
 * does not count.
 */
export class WaitNotes implements Disposable {
  readonly #fileSystem: FileSystem;
  readonly #layout: OwnFileLayout;
  #own: OwnFile | undefined;

  /**
   * Creates it; no file is made before there is something to tell.
   *
   * @param fileSystem The seam.
   * @param layout Where the notes lie.
   */
  constructor(fileSystem: FileSystem, layout: OwnFileLayout) {
    this.#fileSystem = fileSystem;
    this.#layout = layout;
  }

  /**
   * Replaces what this handle tells. When that fails it tells nothing: what was told before may no
   * longer be so.
   *
   * @param note What others are to know; nothing, if not given.
   */
  write(note?: Record<string, unknown>): void {
    if (note === undefined && this.#own === undefined) return;
    this.#own ??= createOwnFile(this.#fileSystem, this.#layout, "waits");
    const line = note === undefined
      ? new Uint8Array()
      : encodeCheckedLine(JSON.stringify(note).slice(0, -1));
    try {
      this.#replace(this.#own.file, line);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Whoever reads between two of the steps finds no line, and looks again soon. */
  #replace(file: Deno.FsFile, line: Uint8Array): void {
    file.seekSync(0, Deno.SeekMode.Start);
    this.#fileSystem.truncate(file, line.length);
    writeAll(this.#fileSystem, file, line);
  }

  /**
   * Reads what the others tell.
   *
   * @returns The notes of the handles that live, without the own one.
   */
  read(): Record<string, unknown>[] {
    const notes: Record<string, unknown>[] = [];
    for (const path of listOwnFiles(this.#layout, "waits")) {
      if (path === this.#own?.path) continue;
      const note = readNote(path);
      if (note !== undefined) notes.push(note);
    }
    return notes;
  }

  /** Removes the own note. */
  [Symbol.dispose](): void {
    const own = this.#own;
    this.#own = undefined;
    if (own !== undefined) abandonOwnFile(this.#fileSystem, own);
  }
}

function readNote(path: string): Record<string, unknown> | undefined {
  using file = openIfThere(path);
  if (file === undefined) return undefined;
  if (file.tryLockSync(false)) {
    file.unlockSync();
    return undefined;
  }
  const size = file.seekSync(0, Deno.SeekMode.End);
  if (size > LARGEST_BYTES) return undefined;
  const bytes = new Uint8Array(size);
  return readAt(file, 0, bytes) ? decodeCheckedLine(bytes.subarray(1, -1)) : undefined;
}
