/**
 * Whether the code that a worker has imported is the code that this isolate runs, which the keys of
 * calls are made of: a file may be edited while the program runs, and a worker that starts later
 * imports what it finds then.
 *
 * @module
 */
import type { TaskAddress } from "./call_record.ts";
import type { CodeParts } from "./code/code_parts.ts";
import {
  digestBytes,
  digestText,
  hasChanged,
  type LateFile,
  mayRead,
  readLoaded,
  type WitnessedFile,
} from "./loaded_source.ts";
import { findKeptPackage, findSpecifiers, type FoundSpecifier } from "./specifiers.ts";

/** The local files that a module is made of; plain data, which can be sent to a worker. */
export interface SourceWitness {
  /** Every file that was loaded with the module and could be read, as it was loaded. */
  readonly files: readonly WitnessedFile[];
  /** Those that may be imported while a call runs: they are to be checked after each. */
  readonly late: readonly WitnessedFile[];
  /** The URLs of those that have changed, and what was loaded here is not told. */
  readonly changed: readonly string[];
  /** The URLs of those that may not be read, and so are not checked, nor what they import. */
  readonly unread: readonly string[];
  /**
   * Digests of the functions of the module's tasks, by name: while a module waits at its top level, its
   * file may be edited after it was loaded, and before that can be seen.
   */
  readonly functions?: { readonly [name: string]: string };
  /** The code of tasks that may be called meanwhile, for a worker that may not read it. */
  readonly codes?: readonly HandedCode[];
  /** When the files were looked at, where the worker may not: milliseconds since 1970. */
  readonly witnessedAt?: number;
}

/** What counts of the code of a task, as another isolate has read it. */
export interface HandedCode {
  /** The task. */
  readonly address: TaskAddress;
  /** Its code. */
  readonly code: Omit<CodeParts, "warnings" | "findChanged">;
}

/** How a module came into this isolate. */
export interface WitnessOptions {
  /**
   * Resolves bare specifiers and applies the import map.
   *
   * @default {`import.meta.resolve` of this package}
   */
  readonly resolve?: (specifier: string) => string;
}

interface Import {
  readonly url: string;
  /** Whether it may have been loaded later than the module that imports it. */
  readonly dynamic: boolean;
}

interface Source {
  /** Absent when the file may not be read. */
  readonly file?: WitnessedFile | LateFile;
  /** Whether it is known what was loaded. */
  readonly certain: boolean;
  readonly imports: readonly Import[];
}

const UNREAD: Source = { certain: true, imports: [] };

/** Quiver's own files are not the user's code. */
const OWN = [new URL("../", import.meta.url).href, new URL("../../mod.ts", import.meta.url).href];

const CODE = /\.[cm]?[jt]sx?$/;

/** What Node appends to what `require()` is given. */
const ENDINGS = ["", ".js", ".json", "/index.js"];

/**
 * Witnesses the sources of modules, each file once.
 *
 * What is followed: static imports and re-exports, and `import()` and `require()` of a literal, or of
 * one in `new URL()` or `import.meta.resolve()`. It ends at whatever is no local file, at
 * `node_modules` and at Quiver itself. Files that are only read as data or started as workers are no
 * part of it, nor is what a Wasm module imports.
 */
export class SourceWitnesses {
  readonly #sources = new Map<string, Promise<Source>>();
  readonly #witnesses = new Map<string, Promise<SourceWitness>>();

  /**
   * Witnesses the sources of a module that was evaluated here: once, as what runs here stays the same.
   *
   * @param module The URL of the module.
   * @param options How it came here.
   * @returns The witness; it never rejects, and never asks for permissions.
   */
  get(module: string, options: WitnessOptions = {}): Promise<SourceWitness> {
    const witness = this.#witnesses.get(module) ?? this.#witness(module, options);
    this.#witnesses.set(module, witness);
    return witness;
  }

  async #witness(
    module: string,
    { resolve = import.meta.resolve }: WitnessOptions,
  ): Promise<SourceWitness> {
    const loaded = new Map<string, Source>();
    const others = new Map<string, Source>();
    if (isLocal(module)) {
      await this.#reach(new Set([module]), loaded, resolve, false);
      const later = Array.from(loaded.values()).flatMap(({ imports }) => imports)
        .flatMap(({ url }) => loaded.has(url) ? [] : url);
      await this.#reach(new Set(later), others, resolve, true, loaded);
    }
    const all = [...loaded, ...others];
    const filesOf = (sources: ReadonlyMap<string, Source>) =>
      Array.from(sources.values()).flatMap(({ file }) => file ?? []);
    return {
      files: filesOf(loaded),
      late: filesOf(others),
      changed: all.flatMap(([url, { certain }]) => certain ? [] : url),
      unread: all.flatMap(([url, { file }]) => file === undefined ? url : []),
    };
  }

  /**
   * Reads modules and what they import.
   *
   * @param reached What was read.
   * @param late Whether they may be loaded later than this: then all that they import may be, too.
   * @param loaded What need not be read.
   */
  async #reach(
    urls: ReadonlySet<string>,
    reached: Map<string, Source>,
    resolve: (specifier: string) => string,
    late: boolean,
    loaded: ReadonlyMap<string, Source> = new Map(),
  ): Promise<void> {
    const seen = new Set(urls);
    const visit = async (url: string): Promise<void> => {
      const source = await this.#read(url, resolve, late);
      reached.set(url, source);
      const next = source.imports.filter(({ url, dynamic }) =>
        (late || !dynamic) && !seen.has(url) && !loaded.has(url)
      );
      for (const { url } of next) seen.add(url);
      await Promise.all(Array.from(new Set(next.map(({ url }) => url)), visit));
    };
    await Promise.all(Array.from(urls, visit));
  }

  #read(url: string, resolve: (specifier: string) => string, late: boolean): Promise<Source> {
    const key = `${late} ${url}`;
    const source = this.#sources.get(key) ?? readSource(url, resolve, late);
    this.#sources.set(key, source);
    return source;
  }
}

/**
 * Finds out whether what this worker has imported is what was witnessed. Files that the worker may
 * not read are taken for the same.
 *
 * @param witness The sources as they are where the key was made.
 * @returns The URL of a file that is not, or may not be, the same.
 */
export async function findChangedSource(
  { files, changed }: SourceWitness,
): Promise<string | undefined> {
  if (changed.length > 0) return changed[0];
  const all = mayRead();
  const others = await Promise.all(files.map(async (file) => {
    if (!all && !mayRead(new URL(file.url))) return undefined;
    return await isLoadedAs(file) ? undefined : file.url;
  }));
  return others.find((url) => url !== undefined);
}

/**
 * Looks at the files for a worker that may not: what it has loaded by now is what lies on disk, unless
 * that has changed.
 *
 * @returns The same witness, or one that names a file that is not, or may not be, the same.
 */
export function lookAgain(witness: SourceWitness): SourceWitness {
  const { codes: _, ...sources } = witness;
  const { files, late, changed, witnessedAt = 0 } = sources;
  const found = findChangedFile([...files, ...late], witnessedAt);
  return found === undefined ? witness : { ...sources, changed: [...changed, found] };
}

async function isLoadedAs({ url, digest }: WitnessedFile): Promise<boolean> {
  try {
    const { bytes, certain } = await readLoaded(url);
    return certain && digestBytes(bytes) === digest;
  } catch {
    return digest === undefined;
  }
}

/**
 * Finds a file that this worker may have imported, or may import, as another one than was witnessed.
 *
 * @param importedAt When this worker began to import its first module, in milliseconds since 1970.
 * @returns Its URL.
 */
export function findChangedFile(
  files: readonly WitnessedFile[],
  importedAt: number,
): string | undefined {
  const all = mayRead();
  return files.find((file) => (all || mayRead(new URL(file.url))) && hasChanged(file, importedAt))
    ?.url;
}

async function readSource(
  url: string,
  resolve: (specifier: string) => string,
  late: boolean,
): Promise<Source> {
  const path = new URL(url);
  if (!mayRead(path)) return UNREAD;
  try {
    const source = await readLoaded(url, late ? { late: -Infinity } : {});
    const { bytes, certain } = source;
    const file = source.late ?? { url, digest: digestBytes(bytes) };
    if (!CODE.test(path.pathname)) return { file, certain, imports: [] };
    const found = findSpecifiers(new TextDecoder().decode(bytes), path.pathname);
    return { file, certain, imports: found.flatMap((each) => toImports(each, url, resolve)) };
  } catch {
    // It is not there, or nothing that could be imported; or it only looks like an import.
    return { ...UNREAD, file: { url } };
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
    findKeptPackage(url) === undefined && !OWN.some((own) => url.startsWith(own));
}

/** Digests the source of a function as it was loaded. */
export function digestFunction(fn: (...args: never[]) => unknown): string {
  return digestText(Function.prototype.toString.call(fn));
}
