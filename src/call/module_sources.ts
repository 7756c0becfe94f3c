/**
 * Whether the code that a worker has imported is the code that this isolate runs, which the keys of
 * calls are made of: a file may be edited while the program runs, and a worker that starts later
 * imports what it finds then.
 *
 * @module
 */
import { createSha256 } from "../base/sha256.ts";
import { findSpecifiers, type FoundSpecifier } from "./specifiers.ts";

/** A file as it was when it was witnessed. */
interface WitnessedFile {
  /** The URL that it is imported by. */
  readonly url: string;
  /**
   * What changes with each write, as far as the file system tells; absent where a write just after
   * would not show in it.
   */
  readonly stamp?: string;
  /** SHA-256 of the file; absent when there was none. */
  readonly digest?: string;
}

/** The local files that a module is made of; plain data, which can be sent to a worker. */
export interface SourceWitness {
  /** Every file that could be read. */
  readonly files: readonly WitnessedFile[];
  /** Those of them that may be imported while a call runs: they are to be checked after each. */
  readonly late: readonly WitnessedFile[];
  /** The URLs of those that were changed after they were loaded here: what runs here is not told. */
  readonly changed: readonly string[];
  /** The URLs of those that may not be read, and so are not checked, nor what they import. */
  readonly unread: readonly string[];
  /**
   * Digests of the functions of the module's tasks, by name: while a module waits at its top level, its
   * file may be edited after it was loaded, and before that can be seen.
   */
  readonly functions?: { readonly [name: string]: string };
}

/** How a module came into this isolate. */
export interface WitnessOptions {
  /** When the module was evaluated, in milliseconds since 1970. */
  readonly evaluatedAt: number;
  /**
   * Resolves bare specifiers and applies the import map.
   *
   * @default {`import.meta.resolve` of this package}
   */
  readonly resolve?: (specifier: string) => string;
}

/** What was loaded before any of the program's code ran. */
export interface Program {
  /** The URL of the main module, where the isolate has one. */
  readonly module: string;
  /** When the isolate started, in milliseconds since 1970: it read its files after that. */
  readonly startedAt: number;
}

interface Import {
  readonly url: string;
  /** Whether it may have been loaded later than the module that imports it. */
  readonly dynamic: boolean;
}

interface Source {
  /** Absent when the file may not be read. */
  readonly file?: WitnessedFile;
  readonly changedAt: number;
  readonly imports: readonly Import[];
}

const UNREAD: Source = { changedAt: 0, imports: [] };

/** Quiver's own files are not the user's code. */
const OWN = [new URL("../", import.meta.url).href, new URL("../../mod.ts", import.meta.url).href];

const CODE = /\.[cm]?[jt]sx?$/;

/** What Node appends to what `require()` is given. */
const ENDINGS = ["", ".js", ".json", "/index.js"];

/** How far the time of a file lies behind that of its write, at most, in milliseconds. */
const CLOCK_TICK = 10;

/** Deno gives the times of changes in whole seconds. */
const CHANGE_TICK = 1000;

/**
 * Witnesses the sources of modules, each file once.
 *
 * What is followed: static imports and re-exports, and `import()` and `require()` of a literal, or of
 * one in `new URL()` or `import.meta.resolve()`. It ends at whatever is no local file, at
 * `node_modules` and at Quiver itself. Files that are only read as data or started as workers are no
 * part of it, nor is what a Wasm module imports.
 */
export class SourceWitnesses {
  readonly #program: Program;
  readonly #sources = new Map<string, Promise<Source>>();
  readonly #witnesses = new Map<string, Promise<SourceWitness>>();
  /** When files were loaded here, at the latest. */
  readonly #loaded = new Map<string, number>();

  /**
   * Reads nothing yet.
   *
   * @param program What was loaded before any code ran here.
   */
  constructor(
    program: Program = { module: Deno.mainModule ?? "", startedAt: performance.timeOrigin },
  ) {
    this.#program = program;
  }

  /**
   * Witnesses the sources of a module that was evaluated here: once, as what runs here stays the same.
   *
   * @param module The URL of the module.
   * @param options How it came here.
   * @returns The witness; it never rejects, and never asks for permissions.
   */
  get(module: string, options: WitnessOptions): Promise<SourceWitness> {
    const witness = this.#witnesses.get(module) ?? this.#witness(module, options);
    this.#witnesses.set(module, witness);
    return witness;
  }

  async #witness(
    module: string,
    { evaluatedAt, resolve = import.meta.resolve }: WitnessOptions,
  ): Promise<SourceWitness> {
    const sources = await this.#reach(module, resolve, () => true);
    const loadedWithModule = await this.#reach(module, resolve, isStatic);
    const files: WitnessedFile[] = [];
    const late: WitnessedFile[] = [];
    const changed: string[] = [];
    const unread: string[] = [];
    for (const [url, { file, changedAt }] of sources) {
      if (file === undefined) {
        unread.push(url);
        continue;
      }
      files.push(file);
      if (!loadedWithModule.has(url)) late.push(file);
      const loadedAt = Math.min(evaluatedAt, this.#loaded.get(url) ?? Infinity);
      this.#loaded.set(url, loadedAt);
      if (changedAt > loadedAt || await this.#wasLoadedBefore(url, changedAt, resolve)) {
        changed.push(url);
      }
    }
    return { files, late, changed, unread };
  }

  /** Whether a file that was changed while the program runs was loaded with the program. */
  async #wasLoadedBefore(
    url: string,
    changedAt: number,
    resolve: (specifier: string) => string,
  ): Promise<boolean> {
    const { module, startedAt } = this.#program;
    if (changedAt <= startedAt) return false;
    const program = await this.#reach(module, resolve, isStatic);
    return program.has(url);
  }

  async #reach(
    module: string,
    resolve: (specifier: string) => string,
    follow: (found: Import) => boolean,
  ): Promise<Map<string, Source>> {
    const reached = new Map<string, Source>();
    const visit = async (url: string): Promise<void> => {
      const source = await this.#read(url, resolve);
      reached.set(url, source);
      const next = source.imports.filter((found) => follow(found) && !seen.has(found.url));
      for (const { url } of next) seen.add(url);
      await Promise.all(Array.from(new Set(next.map(({ url }) => url)), visit));
    };
    const seen = new Set([module]);
    if (isLocal(module)) await visit(module);
    return reached;
  }

  #read(url: string, resolve: (specifier: string) => string): Promise<Source> {
    const source = this.#sources.get(url) ?? readSource(url, resolve);
    this.#sources.set(url, source);
    return source;
  }
}

function isStatic({ dynamic }: Import): boolean {
  return !dynamic;
}

/**
 * Finds out whether what this worker has imported is what was witnessed. Files that the worker may
 * not read are taken for the same.
 *
 * @param witness The sources as they are where the key was made.
 * @param importedAt When this worker began to import its first module, in milliseconds since 1970.
 * @returns The URL of a file that is not, or may not be, the same.
 */
export function findChangedSource(
  { files, changed }: SourceWitness,
  importedAt: number,
): string | undefined {
  if (changed.length > 0) return changed[0];
  const all = mayRead();
  return files.find((file) => (all || mayRead(new URL(file.url))) && hasChanged(file, importedAt))
    ?.url;
}

function hasChanged({ url, stamp, digest }: WitnessedFile, importedAt: number): boolean {
  const path = new URL(url);
  try {
    const info = Deno.statSync(path);
    if (!info.isFile) return digest !== undefined;
    if (stamp !== undefined && stamp === toStamp(info)) return false;
    // What was edited and put back since then may have been imported in between.
    if (toChangeTime(info) >= importedAt) return true;
    return digestBytes(Deno.readFileSync(path)) !== digest;
  } catch (error) {
    return isAbsent(error) ? digest !== undefined : !isForbidden(error);
  }
}

async function readSource(url: string, resolve: (specifier: string) => string): Promise<Source> {
  const path = new URL(url);
  try {
    if (!mayRead(path)) return UNREAD;
    // A device may have no end.
    if (!(await Deno.stat(path)).isFile) return { ...UNREAD, file: { url } };
    const bytes = await Deno.readFile(path);
    // After the file was read: a write in between counts as one after it was loaded.
    const info = await Deno.stat(path);
    const changedAt = toChangeTime(info);
    const stamp = isSettled(info) ? toStamp(info) : undefined;
    const file = { url, ...(stamp !== undefined && { stamp }), digest: digestBytes(bytes) };
    if (!CODE.test(path.pathname)) return { file, changedAt, imports: [] };
    const found = findSpecifiers(new TextDecoder().decode(bytes), path.pathname);
    return { file, changedAt, imports: found.flatMap((each) => toImports(each, url, resolve)) };
  } catch (error) {
    return isAbsent(error) ? { ...UNREAD, file: { url } } : UNREAD;
  }
}

function toImports(
  { specifier, callee }: FoundSpecifier,
  parent: string,
  resolve: (specifier: string) => string,
): Import[] {
  const isRelative = /^\.{0,2}\//.test(specifier);
  const endings = callee === "require" && isRelative ? ENDINGS : [""];
  return endings.flatMap((ending) => {
    const url = toUrl(specifier + ending, isRelative ? parent : undefined, resolve);
    return isLocal(url) ? [{ url, dynamic: callee !== undefined }] : [];
  });
}

function toUrl(
  specifier: string,
  parent: string | undefined,
  resolve: (specifier: string) => string,
): string {
  const url = parent === undefined ? specifier : URL.parse(specifier, parent)?.href ?? specifier;
  try {
    return resolve(url);
  } catch {
    // It is not in the import map, or only in that of another member of the workspace.
    return url;
  }
}

function isLocal(url: string): boolean {
  return url.startsWith("file:///") && URL.canParse(url) && !url.includes("/node_modules/") &&
    !OWN.some((own) => url.startsWith(own));
}

/** Whether it is allowed already: nobody is to be asked because of a check. */
export function mayRead(path?: URL): boolean {
  const status = Deno.permissions.querySync(
    path === undefined ? { name: "read" } : { name: "read", path },
  );
  return status.state === "granted" && !status.partial;
}

/** A file that another one takes the place of has another number, though perhaps its size and times. */
function toStamp({ size, mtime, ctime, ino, dev }: Deno.FileInfo): string {
  return [size, mtime?.getTime(), ctime?.getTime(), ino, dev].join(" ");
}

/**
 * A program can set the time of the last write, and where a file comes from another zone or out of an
 * archive it may lie in the future; that of the last change, in seconds, nobody can set.
 */
export function toChangeTime({ mtime, ctime }: Deno.FileInfo): number {
  const written = mtime?.getTime() ?? 0;
  const changed = ctime?.getTime() ?? 0;
  return written > Date.now() ? changed : Math.max(written, changed);
}

/** Whether each write from now on gives the file another stamp. */
function isSettled({ mtime, ctime }: Deno.FileInfo): boolean {
  const written = (mtime?.getTime() ?? Infinity) + CLOCK_TICK;
  return Math.max(written, (ctime?.getTime() ?? 0) + CHANGE_TICK) < Date.now();
}

/** Digests the source of a function as it was loaded. */
export function digestFunction(fn: (...args: never[]) => unknown): string {
  return createSha256().update(Function.prototype.toString.call(fn)).digest("hex");
}

function digestBytes(bytes: Uint8Array): string {
  return createSha256().update(bytes).digest("hex");
}

function isAbsent(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
}

function isForbidden(error: unknown): boolean {
  return error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable;
}
