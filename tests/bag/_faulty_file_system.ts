import { DISK, type FileSystem } from "../../src/disk/file_system.ts";

/** What goes wrong: one step fails; one write is cut short, and the next fails; the program ends. */
export type Fault = "error" | "short" | "stop";

/** The error of a step that fails. */
export class FaultError extends Error {
  override name = "FaultError";
}

/** The disk, until a step at which something goes wrong. */
export class FaultyFileSystem implements FileSystem {
  readonly #fault: Fault;
  readonly #at: number;
  #steps = 0;

  constructor(fault: Fault, at: number) {
    this.#fault = fault;
    this.#at = at;
  }

  /** How many steps were taken. */
  get steps(): number {
    return this.#steps;
  }

  /** Whether the step was reached. */
  get failed(): boolean {
    return this.#steps > this.#at;
  }

  #step(name: string): void {
    const step = this.#steps++;
    const fails = this.#fault === "stop"
      ? step >= this.#at
      : step === this.#at + (this.#fault === "short" ? 1 : 0);
    if (fails) throw new FaultError(`${this.#fault} at step ${step}: ${name}`);
  }

  open(path: string, options: Deno.OpenOptions): Deno.FsFile {
    this.#step("open");
    return DISK.open(path, options);
  }

  write(file: Deno.FsFile, bytes: Uint8Array): number {
    // A write that is cut short, or during which the program ends, leaves a half of its bytes.
    const torn = this.#steps === this.#at && this.#fault !== "error" && bytes.length > 1;
    const written = torn ? DISK.write(file, bytes.subarray(0, bytes.length >> 1)) : 0;
    this.#step("write");
    return torn ? written : DISK.write(file, bytes);
  }

  truncate(file: Deno.FsFile, length: number): void {
    this.#step("truncate");
    DISK.truncate(file, length);
  }

  sync(_file: Deno.FsFile): void {
    this.#step("sync");
  }

  syncDirectory(_path: string): void {
    this.#step("syncDirectory");
  }

  rename(from: string, to: string): void {
    this.#step("rename");
    DISK.rename(from, to);
  }

  link(from: string, to: string): void {
    this.#step("link");
    DISK.link(from, to);
  }

  remove(path: string): void {
    this.#step("remove");
    DISK.remove(path);
  }

  makeDirectory(path: string): void {
    this.#step("makeDirectory");
    DISK.makeDirectory(path);
  }
}
