import { createSha256 } from "../../base/sha256.ts";
import { outside } from "../../base/lazy_import.ts";
import { mayRead, toChangeTime } from "../module_sources.ts";
import type { FoundSpecifier } from "../specifiers.ts";
import { type ModuleItems, toModuleItems } from "./module_items.ts";
import { type Language, parseModule } from "./parse_module.ts";

/** A module as it was read. */
export type LoadedModule = CodeModule | OpaqueModule;

interface ModuleFile {
  /** The URL. */
  readonly url: string;
  /** When its file was changed, if it has one, in milliseconds since 1970. */
  readonly changedAt?: number;
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
 * Reads a module.
 *
 * @param type As what it is imported, if that is no code.
 * @throws {UnreadableModuleError} When it may not be read.
 * @throws {TypeError} When there is no such module any more.
 */
export async function readModule(url: string, type: string | undefined): Promise<LoadedModule> {
  const { bytes, language, changedAt } = await readSource(url);
  const own = changedAt === undefined ? { url } : { url, changedAt };
  const { pathname } = new URL(url);
  if (type !== undefined || (DATA.test(pathname) && !url.includes("#"))) {
    const specifiers = await readWasm(bytes);
    return { ...own, kind: "opaque", digest: digest(bytes), specifiers, compiled: false };
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
  readonly changedAt?: number;
}

async function readSource(url: string): Promise<Source> {
  const { protocol, pathname } = new URL(url);
  const [, language = "javascript"] = LANGUAGES.find(([ending]) => ending.test(pathname)) ?? [];
  if (protocol === "data:" || protocol === "blob:") return await fetchSource(url);
  // An example of a document has no file of its own.
  if (protocol !== "file:" || url.includes("#")) {
    return { bytes: new TextEncoder().encode(await importText(url)), language };
  }
  return { ...await readFile(url), language };
}

async function readFile(
  url: string,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; changedAt: number }> {
  const path = new URL(url);
  if (!mayRead(path)) throw new UnreadableModuleError(url);
  try {
    // A device may have no end.
    if (!Deno.statSync(path).isFile) throw new TypeError("it is no file");
    const bytes = Deno.readFileSync(path);
    // After it was read: a write in between counts as one after it was loaded.
    return { bytes, changedAt: toChangeTime(Deno.statSync(path)) };
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw new UnreadableModuleError(url);
    // A program that was compiled has its modules in itself.
    if (cause instanceof Deno.errors.NotFound) return await importFile(url);
    const state = "it cannot be read";
    throw new TypeError(`Cannot read "${url}": ${state}; start the program again`, { cause });
  }
}

async function importFile(
  url: string,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; changedAt: number }> {
  return { bytes: new TextEncoder().encode(await importText(url)), changedAt: 0 };
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

/** What Deno has loaded it gives again. */
async function importText(url: string): Promise<string> {
  try {
    const { default: text } = await outside(() => import(url, { with: { type: "text" } }));
    return String(text);
  } catch (cause) {
    if (cause instanceof Error && /Requires .* access/.test(cause.message)) {
      throw new UnreadableModuleError(url);
    }
    throw new TypeError(
      `Cannot read "${url}": it is gone; start the program again, or say \`code: "function"\``,
      {
        cause,
      },
    );
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

function digest(bytes: Uint8Array): string {
  return createSha256().update(bytes).digest("hex");
}
