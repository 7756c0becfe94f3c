import { createSha256 } from "../../base/sha256.ts";
import { type LateFile, mayRead, readLoaded, type ReadOptions } from "../loaded_source.ts";
import type { FoundSpecifier } from "../specifiers.ts";
import { type ModuleItems, toModuleItems } from "./module_items.ts";
import { type Language, parseModule } from "./parse_module.ts";

/** A module as it was read. */
export type LoadedModule = CodeModule | OpaqueModule;

interface ModuleFile {
  /** The URL. */
  readonly url: string;
  /** Its file, where it may be that the module is loaded later than it was read. */
  readonly late?: LateFile;
}

/** A module whose code is understood. */
export interface CodeModule extends ModuleFile, ModuleItems {
  /** That it is one. */
  readonly kind: "code";
  /** Whether it is a script of Node's, which says by itself what others get of it. */
  readonly script: boolean;
}

/** A module that counts as a whole by its bytes. */
export interface OpaqueModule extends ModuleFile {
  /** That it is one. */
  readonly kind: "opaque";
  /** The digest of its bytes. */
  readonly digest: string;
  /** What it seems to import. */
  readonly specifiers: readonly FoundSpecifier[];
  /** Whether it is code, which Deno compiles. */
  readonly compiled: boolean;
}

/** That a module may not be read. */
export class UnreadableModuleError extends Error {
  /** Names the module. */
  constructor(
    /** Its URL. */
    readonly url: string,
  ) {
    super(`Requires read access to "${url}"`);
    this.name = "UnreadableModuleError";
  }
}

const LANGUAGES: readonly (readonly [RegExp, Language])[] = [
  [/\.[cm]?ts$/, "typescript"],
  [/\.[cm]?js$/, "javascript"],
  [/\.[jt]sx$/, "unknown"],
];

/** What is data where nothing else is said. */
const DATA = /\.(?:json|jsonc|wasm|txt|css|html)$/;

/**
 * Reads a module, as it was loaded here.
 *
 * @param allowed Whether it may be read for certain.
 * @throws {UnreadableModuleError} When it may not be read.
 * @throws {TypeError} When there is no such module any more, or it is not known what was loaded.
 */
export async function readModule(
  url: string,
  options: ReadOptions,
  allowed: boolean,
): Promise<LoadedModule> {
  const { bytes, language, late } = await readSource(url, options, allowed);
  const own = late === undefined ? { url } : { url, late };
  const { pathname } = new URL(url);
  if (options.type !== undefined || (DATA.test(pathname) && !url.includes("#"))) {
    const specifiers = await readWasm(bytes);
    return {
      ...own,
      kind: "opaque",
      digest: digest(bytes, options.type),
      specifiers,
      compiled: false,
    };
  }
  const text = new TextDecoder().decode(bytes);
  const parsed = parseModule(text, language, pathname);
  if (parsed.kind === "opaque") return { ...own, ...parsed, compiled: true };
  const { items, bindings, exports, stars, imports } = toModuleItems(url, parsed);
  const { script } = parsed;
  return { ...own, kind: "code", script, items, bindings, exports, stars, imports };
}

interface Source {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly language: Language;
  readonly late?: LateFile;
}

async function readSource(url: string, options: ReadOptions, allowed: boolean): Promise<Source> {
  const { protocol, pathname } = new URL(url);
  const [, language = "javascript"] = LANGUAGES.find(([ending]) => ending.test(pathname)) ?? [];
  if (protocol === "data:" || protocol === "blob:") return await fetchSource(url);
  // An example of a document has no file of its own.
  const hasFile = protocol === "file:" && !url.includes("#");
  if (hasFile && !allowed && !mayRead(new URL(url))) throw new UnreadableModuleError(url);
  return { ...await readFile(url, options), language };
}

async function readFile(url: string, options: ReadOptions): Promise<Omit<Source, "language">> {
  const { bytes, certain, late } = await readLoaded(url, options).catch((cause) => {
    throw toReadError(url, cause);
  });
  if (certain) return late === undefined ? { bytes } : { bytes, late };
  throw new TypeError(
    `Cannot tell what "${url}" was when the program loaded it: it has changed since; ` +
      "start the program again",
  );
}

function toReadError(url: string, cause: unknown): Error {
  if (cause instanceof Error && /Requires .* access/.test(cause.message)) {
    return new UnreadableModuleError(url);
  }
  const reason = !(cause instanceof Error) || / not found/i.test(cause.message)
    ? "it is gone"
    : cause.message;
  return new TypeError(
    `Cannot read "${url}": ${reason}; start the program again, or say \`code: "function"\``,
    { cause },
  );
}

async function fetchSource(url: string): Promise<Source> {
  try {
    const response = await fetch(url);
    const type = response.headers.get("content-type") ?? "";
    const language = /[jt]sx/.test(type)
      ? "unknown"
      : type.includes("typescript")
      ? "typescript"
      : "javascript";
    return { bytes: new Uint8Array(await response.arrayBuffer()), language };
  } catch (cause) {
    const name = url.slice(0, 60);
    throw new TypeError(`Cannot read "${name}": it is there no more`, { cause });
  }
}

async function readWasm(bytes: Uint8Array<ArrayBuffer>): Promise<FoundSpecifier[]> {
  const [a, b, c, d] = bytes;
  if (a !== 0 || b !== 0x61 || c !== 0x73 || d !== 0x6d) return [];
  try {
    const imports = WebAssembly.Module.imports(await WebAssembly.compile(bytes));
    return imports.map(({ module }) => ({ specifier: module, callee: undefined }));
  } catch {
    // It could not have been loaded, either.
    return [];
  }
}

/** What the bytes of JSON say is another thing as a text. */
function digest(bytes: Uint8Array, type = "json"): string {
  const hash = createSha256();
  if (type !== "json") hash.update(`${type}\n`);
  return hash.update(bytes).digest("hex");
}
