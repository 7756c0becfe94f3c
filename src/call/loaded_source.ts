/**
 * What this isolate has loaded of a file, which need not be what the file says now: it may have been
 * edited, or another one put in its place, while the program runs.
 *
 * Deno keeps the text of each module that it has loaded, and gives it again to whoever imports the
 * module as text; times of files, which can be set, do not come into it. Only of what Deno does not
 * give as text must the file itself be read, and show no sign of a change since the isolate began.
 *
 * A module that was not loaded yet is read from the disk then, and may be another one by the time it is
 * imported: whoever counts on it looks at the file again ({@linkcode hasChanged}).
 *
 * @module
 */
import { outside } from "../base/lazy_import.ts";
import { createSha256 } from "../base/sha256.ts";

/** A file as it was when it was witnessed. */
export interface WitnessedFile {
  /** The URL that it is imported by. */
  readonly url: string;
  /**
   * What changes with each write, as far as the file system tells; absent where a write just after
   * would not show in it.
   */
  readonly stamp?: string;
  /** SHA-256 of what it says; absent when there was none. */
  readonly digest?: string;
}

/** How a module is read. */
export interface ReadOptions {
  /** As what it is imported, if that is no code. */
  readonly type?: string | undefined;
  /**
   * That it may not have been loaded yet, if its file was changed after this moment, in milliseconds
   * since 1970.
   *
   * @default {Infinity}
   */
  readonly late?: number;
}

/** What was read of a module. */
export interface LoadedSource {
  /** What it says. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Whether that is for certain what was loaded, if it was loaded at all. */
  readonly certain: boolean;
  /** What lay on disk, where it may be that the module is loaded later than it was read. */
  readonly late?: LateFile;
}

/** A file that may be imported later than it was read. */
export interface LateFile extends WitnessedFile {
  /** When it was read, in milliseconds since 1970. */
  readonly readAt: number;
}

// A text is imported once: who reads it the second time gets what the file said the first time.
const LATE = new Map<string, LateFile | undefined>();

const CODE = /\.[cm]?[jt]sx?$/;

/** How far the time of a file lies behind that of its write, at most, in milliseconds. */
const CLOCK_TICK = 10;

/** Deno gives the times of changes in whole seconds. */
const CHANGE_TICK = 1000;

/**
 * Reads a module as this isolate has loaded it, or as it lies on disk where it was not loaded.
 *
 * @throws {TypeError} When there is no such module any more, or it may not be read.
 */
export async function readLoaded(
  url: string,
  { type, late = Infinity }: ReadOptions = {},
): Promise<LoadedSource> {
  const readAt = Date.now();
  // A device may have no end; what is code, and was loaded, is none.
  const isLoadedCode = late === Infinity && type === undefined && CODE.test(new URL(url).pathname);
  if (!isLoadedCode && placeOf(url) === "other") {
    throw new TypeError(`Cannot read "${url}": it is no file`);
  }
  const source = await readSource(url, type);
  if (late < readAt && (late < 0 || isChangedSince(new URL(url), late))) {
    const file = LATE.has(url) ? LATE.get(url) : witnessFile(url, source.bytes, readAt);
    LATE.set(url, file);
    return file === undefined ? source : { ...source, late: file };
  }
  const before = LATE.get(url);
  if (before !== undefined && hasChanged(before, before.readAt)) {
    return { ...source, certain: false };
  }
  return source;
}

async function readSource(url: string, type: string | undefined): Promise<LoadedSource> {
  if (type !== "bytes" && !isWasm(url)) {
    try {
      return { bytes: new TextEncoder().encode(await importText(url)), certain: true };
    } catch (error) {
      // What was loaded as JSON is not given as text.
      if (placeOf(url) !== "file") throw error;
    }
  }
  const path = new URL(url);
  const bytes = Deno.readFileSync(path);
  const isOld = toChangeTime(path) + CLOCK_TICK < performance.timeOrigin;
  return { bytes, certain: isOld || await isLoadedAs(url, type ?? "json", bytes) };
}

/** What Deno has loaded it gives again. */
async function importText(url: string): Promise<string> {
  const { default: text } = await outside(() => import(url, { with: { type: "text" } }));
  return String(text);
}

function isWasm(url: string): boolean {
  return /\.wasm$/.test(new URL(url).pathname);
}

/** What a URL leads to on disk; what was loaded need not be there any more. */
function placeOf(url: string): "file" | "other" | "none" {
  const { protocol } = new URL(url);
  if (protocol !== "file:" || url.includes("#")) return "none";
  try {
    return Deno.statSync(new URL(url)).isFile ? "file" : "other";
  } catch {
    return "none";
  }
}

/** Whether data that was loaded, or is loaded by this, is what bytes say. */
async function isLoadedAs(url: string, type: string, bytes: Uint8Array): Promise<boolean> {
  if (isWasm(url)) return false;
  try {
    const { default: data } = await outside(() => import(url, { with: { type } }));
    if (data instanceof Uint8Array) return digestBytes(data) === digestBytes(bytes);
    return JSON.stringify(data) === JSON.stringify(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (error) {
    // What cannot be imported here was not.
    return error instanceof TypeError && error.message.includes("is not a valid module type");
  }
}

/** What lies on disk of a module; nothing where that is something else: then it was loaded before. */
function witnessFile(url: string, bytes: Uint8Array, readAt: number): LateFile | undefined {
  const digest = digestBytes(bytes);
  if (!url.startsWith("file:")) return undefined;
  try {
    const path = new URL(url);
    const stamp = toStamp(path);
    if (!isOf(digest, Deno.readFileSync(path))) return undefined;
    return { url, digest, readAt, ...(stamp !== undefined && { stamp }) };
  } catch {
    return undefined;
  }
}

/**
 * Whether a file is not, or may not be, what it was when it was witnessed.
 *
 * @param since Until when a change does not matter, if it was undone, in milliseconds since 1970.
 */
export function hasChanged({ url, stamp, digest }: WitnessedFile, since: number): boolean {
  const path = new URL(url);
  try {
    if (!Deno.statSync(path).isFile) return digest !== undefined;
    if (stamp !== undefined && stamp === toStamp(path)) return false;
    // What was edited and put back since then may have been imported in between.
    if (toChangeTime(path) >= since) return true;
    return !isOf(digest, Deno.readFileSync(path));
  } catch (error) {
    return isAbsent(error) ? digest !== undefined : !isForbidden(error);
  }
}

/**
 * Whether a file was changed, or came to lie at its place, after a moment.
 *
 * @param time In milliseconds since 1970.
 */
export function isChangedSince(path: URL, time: number): boolean {
  try {
    return toChangeTime(path) > time;
  } catch (error) {
    if (isAbsent(error) || isForbidden(error)) return false;
    throw error;
  }
}

/** A file that another one takes the place of has another number, though perhaps its size and times. */
function toStamp(path: URL): string | undefined {
  const { size, mtime, ctime, ino, dev } = Deno.statSync(path);
  const written = (mtime?.getTime() ?? Infinity) + CLOCK_TICK;
  // Whether each write from now on gives the file another one.
  if (Math.max(written, (ctime?.getTime() ?? 0) + CHANGE_TICK) >= Date.now()) return undefined;
  return [size, mtime?.getTime(), ctime?.getTime(), ino, dev, Deno.realPathSync(path)].join(" ");
}

/** When at the latest another file came to lie at a path, or another text in it, as far as is seen. */
function toChangeTime(path: URL): number {
  let latest = toTime(Deno.statSync(path));
  for (let place = path.pathname; place.length > 1;) {
    const info = tryLstat(new URL(`file://${place}`));
    if (info?.isSymlink || (info && hasMoved(info))) latest = Math.max(latest, toTime(info));
    place = place.slice(0, place.lastIndexOf("/"));
  }
  return latest;
}

/** A program that may read a file need not be allowed to look at what it lies in. */
function tryLstat(path: URL): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (isAbsent(error) || isForbidden(error)) return undefined;
    throw error;
  }
}

/** What is put into a directory and taken out of it changes both of its times. */
function hasMoved({ isDirectory, mtime, ctime }: Deno.FileInfo): boolean {
  const written = mtime?.getTime() ?? Infinity;
  return isDirectory && (ctime?.getTime() ?? 0) > written;
}

/**
 * A program can set the time of the last write, and where a file comes out of an archive it is that of
 * long ago, or lies in the future; that of the last change, in seconds, nobody can set.
 */
function toTime({ mtime, ctime }: Deno.FileInfo): number {
  const written = mtime?.getTime() ?? 0;
  const changed = ctime?.getTime() ?? written;
  return Math.floor(written / CHANGE_TICK) * CHANGE_TICK === changed
    ? written
    : changed + CHANGE_TICK - 1;
}

/** Whether it is allowed already: nobody is to be asked because of a check. */
export function mayRead(path?: URL): boolean {
  const status = Deno.permissions.querySync(
    path === undefined ? { name: "read" } : { name: "read", path },
  );
  return status.state === "granted" && !status.partial;
}

/** Digests bytes. */
export function digestBytes(bytes: Uint8Array): string {
  return createSha256().update(bytes).digest("hex");
}

/** Whether a digest is that of bytes, or of the text that Deno reads in them. */
function isOf(digest: string | undefined, bytes: Uint8Array): boolean {
  return digest === digestBytes(bytes) || digest === digestText(new TextDecoder().decode(bytes));
}

/** Digests a text. */
export function digestText(text: string): string {
  return createSha256().update(text).digest("hex");
}

function isAbsent(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
}

function isForbidden(error: unknown): boolean {
  return error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable;
}
