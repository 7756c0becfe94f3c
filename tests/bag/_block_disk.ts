import { DISK, type FileSystem, lookAt } from "../../src/disk/file_system.ts";

const BLOCK_BYTES = 4096;

/** What the system says when there is no room. */
class NoSpaceError extends Error {
  readonly code = "ENOSPC";

  constructor() {
    super("No space left on device (os error 28)");
  }
}

const blocksOf = (size: number) => Math.ceil(size / BLOCK_BYTES);

/**
 * The disk, with so many blocks free: a write takes one wherever a file becomes larger than its blocks,
 * and is cut short where there is none. Names take no room.
 */
export class BlockDisk implements FileSystem {
  /** How many blocks are free. */
  free: number;

  constructor(free: number = Infinity) {
    this.free = free;
  }

  #give(path: string): void {
    this.free += blocksOf(lookAt(path)?.size ?? 0);
  }

  open(path: string, options: Deno.OpenOptions): Deno.FsFile {
    return DISK.open(path, options);
  }

  write(file: Deno.FsFile, bytes: Uint8Array): number {
    const { size } = file.statSync();
    const at = file.seekSync(0, Deno.SeekMode.Current);
    // A file that is appended to stands where it was last written.
    const begin = Math.max(at, 0);
    const appended = begin + bytes.length <= size ? size : Math.max(size, begin) + bytes.length;
    const room = (blocksOf(size) + this.free) * BLOCK_BYTES;
    const fits = Math.max(0, bytes.length - Math.max(0, appended - room));
    if (fits === 0 && bytes.length > 0) throw new NoSpaceError();
    const written = DISK.write(file, bytes.subarray(0, fits));
    this.free -= blocksOf(file.statSync().size) - blocksOf(size);
    return written;
  }

  truncate(file: Deno.FsFile, length: number): void {
    const { size } = file.statSync();
    DISK.truncate(file, length);
    this.free += blocksOf(size) - blocksOf(Math.min(size, length));
  }

  sync(): void {}

  syncDirectory(): void {}

  rename(from: string, to: string): void {
    this.#give(to);
    DISK.rename(from, to);
  }

  link(from: string, to: string): void {
    DISK.link(from, to);
  }

  remove(path: string): void {
    this.#give(path);
    DISK.remove(path);
  }

  makeDirectory(path: string): void {
    DISK.makeDirectory(path);
  }
}
