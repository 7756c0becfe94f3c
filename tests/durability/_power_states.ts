import { DISK, type FileSystem, lookAt } from "../../src/disk/file_system.ts";

/** Something that was done to a disk, and that loss of power may undo until it is synced. */
type Step =
  | {
    readonly type: "write";
    readonly file: number;
    readonly at: number;
    readonly bytes: Uint8Array;
  }
  | { readonly type: "truncate"; readonly file: number; readonly length: number }
  | { readonly type: "sync"; readonly file: number }
  /** Names that change together; `undefined` for one that is gone. */
  | { readonly type: "names"; readonly changes: readonly (readonly [string, Named | undefined])[] }
  | { readonly type: "syncDirectory"; readonly path: string };

/** A file, by its number, or a directory. */
type Named = number | "directory";

/** The disk, which remembers all that is done to it; it syncs nothing. */
export class RecordingDisk implements FileSystem {
  /** What was done. */
  readonly steps: Step[] = [];
  readonly #files = new Map<Deno.FsFile, number>();
  readonly #names = new Map<string, number>();
  readonly #numbers = new Map<number | null, number>();
  #count = 0;

  open(path: string, options: Deno.OpenOptions): Deno.FsFile {
    const isNew = lookAt(path) === undefined;
    const file = DISK.open(path, options);
    const number = isNew ? this.#count++ : this.#names.get(path) ?? this.#count++;
    if (isNew) this.#name([[path, number]]);
    this.#names.set(path, number);
    this.#files.set(file, number);
    this.#numbers.set(file.statSync().ino, number);
    if (options.truncate === true && !isNew) {
      this.steps.push({ type: "truncate", file: number, length: 0 });
    }
    return file;
  }

  write(file: Deno.FsFile, bytes: Uint8Array): number {
    const count = DISK.write(file, bytes);
    const end = file.seekSync(0, Deno.SeekMode.Current);
    const written = bytes.slice(0, count);
    this.steps.push({ type: "write", file: this.#numberOf(file), at: end - count, bytes: written });
    return count;
  }

  truncate(file: Deno.FsFile, length: number): void {
    DISK.truncate(file, length);
    this.steps.push({ type: "truncate", file: this.#numberOf(file), length });
  }

  sync(file: Deno.FsFile): void {
    this.steps.push({ type: "sync", file: this.#numberOf(file) });
  }

  syncDirectory(path: string): void {
    this.steps.push({ type: "syncDirectory", path });
  }

  rename(from: string, to: string): void {
    DISK.rename(from, to);
    const number = this.#names.get(from);
    if (number === undefined) throw new TypeError(`Cannot rename "${from}": it was not recorded`);
    this.#name([[to, number], [from, undefined]]);
    this.#names.delete(from);
    this.#names.set(to, number);
  }

  link(from: string, to: string): void {
    DISK.link(from, to);
    const number = this.#names.get(from);
    if (number === undefined) throw new TypeError(`Cannot link "${from}": it was not recorded`);
    this.#name([[to, number]]);
    this.#names.set(to, number);
  }

  remove(path: string): void {
    DISK.remove(path);
    this.#name([[path, undefined]]);
    this.#names.delete(path);
  }

  makeDirectory(path: string): void {
    const missing = listMissing(path);
    DISK.makeDirectory(path);
    for (const directory of missing) this.#name([[directory, "directory"]]);
  }

  #name(changes: readonly (readonly [string, Named | undefined])[]): void {
    this.steps.push({ type: "names", changes });
  }

  #numberOf(file: Deno.FsFile): number {
    // One that is only read was opened past this.
    const number = this.#files.get(file) ?? this.#numbers.get(file.statSync().ino);
    if (number === undefined) throw new TypeError("Cannot tell which file this is");
    return number;
  }
}

function listMissing(path: string): string[] {
  if (lookAt(path) !== undefined) return [];
  return [...listMissing(toDirectory(path)), path];
}

function toDirectory(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/** Tells of something that was not synced what becomes of it. */
export interface Fate {
  /** Whether it has reached the disk, as a whole or in part. */
  happens(): boolean;
  /** Which share of a write is there. */
  share(): number;
  /** Whether the rest of a write is zeros instead of nothing. */
  zeros(): boolean;
}

/** What is on a disk. */
type DiskState = ReadonlyMap<string, Uint8Array<ArrayBuffer> | "directory">;

/**
 * Makes what a disk may hold after a loss of power, as POSIX allows it: what was synced, and whatever
 * of the rest, of each file and each directory by itself.
 *
 * @param steps What was done until then.
 * @param fate Decides about what was not synced.
 */
export function toDiskState(steps: readonly Step[], fate: Fate): DiskState {
  const names = new Map<string, Named>();
  const contents = new Map<number, Uint8Array<ArrayBuffer>>();
  // When each file and directory was synced last: what was done to it before is safe.
  const synced = new Map<number | string, number>();
  for (const [index, step] of steps.entries()) {
    if (step.type === "sync") synced.set(step.file, index);
    else if (step.type === "syncDirectory") synced.set(step.path, index);
  }
  const isSynced = (what: number | string, index: number) => index < (synced.get(what) ?? -1);
  for (const [index, step] of steps.entries()) {
    if (step.type === "names") {
      const safe = step.changes.every(([path]) => isSynced(toDirectory(path), index));
      if (!safe && !fate.happens()) continue;
      for (const [path, named] of step.changes) {
        if (named === undefined) names.delete(path);
        else names.set(path, named);
      }
    } else if (step.type === "write" || step.type === "truncate") {
      const safe = isSynced(step.file, index);
      if (!safe && !fate.happens()) continue;
      const before = contents.get(step.file) ?? new Uint8Array();
      contents.set(step.file, change(before, step, safe ? undefined : fate));
    }
  }
  const state = new Map<string, Uint8Array<ArrayBuffer> | "directory">();
  for (const [path, named] of names) {
    const content = named === "directory" ? named : contents.get(named) ?? new Uint8Array();
    state.set(path, content);
  }
  return state;
}

function change(
  before: Uint8Array<ArrayBuffer>,
  step: Extract<Step, { type: "write" | "truncate" }>,
  fate: Fate | undefined,
): Uint8Array<ArrayBuffer> {
  if (step.type === "truncate") {
    const cut = new Uint8Array(step.length);
    cut.set(before.subarray(0, step.length));
    return cut;
  }
  const count = fate === undefined
    ? step.bytes.length
    : Math.round(fate.share() * step.bytes.length);
  const end = step.at + (fate?.zeros() === true ? step.bytes.length : count);
  const after = new Uint8Array(Math.max(before.length, end));
  after.set(before);
  if (end > step.at + count) after.fill(0, step.at + count, end);
  after.set(step.bytes.subarray(0, count), step.at);
  return after;
}

/**
 * Writes what a disk holds below another directory.
 *
 * @param from What the paths begin with.
 * @param to What they are to begin with.
 */
export function writeDiskState(state: DiskState, from: string, to: string): void {
  const paths = [...state.keys()].sort((a, b) => a.length - b.length);
  for (const path of paths) {
    const target = `${to}${path.slice(from.length)}`;
    // What lies in a directory whose name is lost is lost with it.
    if (lookAt(toDirectory(target)) === undefined) continue;
    const content = state.get(path) ?? "directory";
    if (content === "directory") Deno.mkdirSync(target, { recursive: true });
    else Deno.writeFileSync(target, content);
  }
}

/** Chances that come again with the same seed. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    // https://en.wikipedia.org/wiki/Xorshift
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}
