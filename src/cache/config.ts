import { dirname, resolve } from "node:path";
import { BOOLEAN, checkOptions, OBJECT, TEXT, TEXTS } from "../base/check_options.ts";
import { parseJsonc } from "../call/projects.ts";
import { COLLECTOR_NAMES, type CollectorName } from "./cache.ts";
import { toPath } from "../value/file/file_handle.ts";

/** JSON's objects. */
export type JsonObject = { readonly [name: string]: unknown };

/** A cache that a configuration names. */
export interface NamedCache {
  /** Its name. */
  readonly name: string;
  /** What kind it is of: `"bag"`, `"files"`, `"stack"`…; empty where the configuration does not say. */
  readonly type: string;
  /** Whether it is meant where none is named. */
  readonly isDefault: boolean;
}

/**
 * Lists the caches that a configuration names, without opening one; `useCache` does that.
 *
 * Requires `--allow-read` of the configuration.
 *
 * @param from The folder to begin at, a path or a `file:` URL; further up is looked, too.
 * @returns The caches; none where there is no configuration.
 * @throws {SyntaxError} When a file is no JSON.
 * @throws {TypeError} When it says something that there is not.
 *
 * @example See what there is
 * ```ts
 * import { listCaches } from "@quiver/quiver/caches";
 * import { assertEquals } from "@std/assert";
 *
 * const from = await Deno.makeTempDir();
 * const caches = { mine: { type: "bag", path: "mine.bag" } };
 * await Deno.writeTextFile(`${from}/quiver.json`, JSON.stringify({ root: true, default: "mine", caches }));
 * assertEquals(listCaches(from), [{ name: "mine", type: "bag", isDefault: true }]);
 * await Deno.remove(from, { recursive: true });
 * ```
 */
export function listCaches(from: string | URL = "."): NamedCache[] {
  return new CacheConfig(toPath(from, "look for a configuration"), true).caches;
}

/** A cache as a configuration has it, by name or inside of another one. */
export interface CacheEntry {
  /** What it is called in messages: its name, and where it stands. */
  readonly title: string;
  /** The path of the file that has it. */
  readonly file: string;
  /** Its name; absent inside of another one. */
  readonly name?: string;
  /** What the file says. */
  readonly spec: JsonObject;
}

/** Where a configuration may stand in a folder, and under which key; the first that there is. */
const PLACES: readonly (readonly [file: string, key?: string])[] = [
  ["quiver.json"],
  ["deno.json", "quiver"],
  ["deno.jsonc", "quiver"],
];

const RULES = { root: BOOLEAN, default: TEXT, caches: OBJECT, collectors: TEXTS };

/** One file's part of the configuration. */
interface ConfigFile {
  /** Its path. */
  readonly path: string;
  /** Whether no other is looked for further up. */
  readonly root: boolean;
  /** The name of the cache that is meant where none is named. */
  readonly default?: string;
  /** What is collected of calls, if the file says so. */
  readonly collectors?: readonly CollectorName[];
  /** The caches by name. */
  readonly caches: JsonObject;
}

/** What is configured for a folder: the files around it, of which the closest wins. */
export class CacheConfig {
  readonly #folder: string;
  readonly #files: readonly ConfigFile[];
  readonly #unread: string | undefined;
  /** Whether all caches are only read, whatever the files say. */
  readonly protects: boolean;

  /**
   * Reads the configuration that holds in a folder.
   *
   * @param from The path of the folder.
   * @param protects Whether all caches are only read, whatever the files say.
   * @throws {Deno.errors.NotCapable} When the folder itself may not be read.
   * @throws {SyntaxError} When a file is no JSON.
   * @throws {TypeError} When it says something that there is not.
   */
  constructor(from: string, protects: boolean) {
    this.protects = protects;
    const folder = this.#folder = resolve(from);
    const files: ConfigFile[] = [];
    for (const [depth, each] of foldersAround(folder).entries()) {
      // Further up is looked as far as that is allowed, and nobody is asked.
      if (depth > 0 && !mayRead(`${each}${PLACES[0]?.[0]}`)) {
        this.#unread = each;
        break;
      }
      const found = readFolder(each);
      if (found !== undefined) files.push(found);
      if (found?.root === true) break;
    }
    this.#files = files;
  }

  /**
   * Finds a cache by its name.
   *
   * @param name The name; without one the default is meant.
   * @param by Who names it, for messages.
   * @throws {TypeError} When there is none of that name; the message lists those there are.
   */
  find(name: string | undefined, by?: CacheEntry): CacheEntry {
    const named = name ?? this.default;
    const action = by === undefined
      ? named === undefined ? "use the default cache" : `use cache "${named}"`
      : `use cache "${named}", which ${by.title} names`;
    if (this.#files.length === 0) throw new TypeError(`Cannot ${action}: ${this.#describeNone()}`);
    if (named === undefined) {
      throw new TypeError(`Cannot ${action}: there is no \`default\` in ${this.#describeFiles()}`);
    }
    const file = this.#files.find(({ caches }) => Object.hasOwn(caches, named));
    if (file === undefined) {
      throw new TypeError(
        `Cannot ${action}: there is none of that name in ${this.#describeFiles()}`,
      );
    }
    const title = `"${named}" of "${file.path}"`;
    return this.protect(toEntry(file.caches[named], { title, file: file.path, name: named }));
  }

  /** Gives a cache as it is to be opened. */
  protect(entry: CacheEntry): CacheEntry {
    return this.protects ? { ...entry, spec: { ...entry.spec, readOnly: true } } : entry;
  }

  /** The caches that it names. */
  get caches(): NamedCache[] {
    const named = this.#files.find((file) => file.default !== undefined)?.default;
    const specs = new Map(
      this.#files.toReversed().flatMap(({ caches }) => Object.entries(caches)),
    );
    return [...specs].map(([name, spec]) => ({
      name,
      type: isObject(spec) && typeof spec.type === "string" ? spec.type : "",
      isDefault: name === named,
    }));
  }

  /** The name of the cache that is meant where none is named, if there is one. */
  get default(): string | undefined {
    return this.#files.find((file) => file.default !== undefined)?.default;
  }

  /** What is collected of calls: as the closest file says that says something. */
  get collectors(): readonly CollectorName[] | undefined {
    return this.#files.find(({ collectors }) => collectors !== undefined)?.collectors;
  }

  #describeNone(): string {
    const limit = this.#unread === undefined
      ? ""
      : `, up to "${this.#unread}", which may not be read`;
    return `there is no quiver.json, and no key \`quiver\` of a deno.json, in "${this.#folder}" or ` +
      `above it${limit}; write one such as {"caches": {"mine": {"type": "bag", "path": "mine.bag"}}}`;
  }

  #describeFiles(): string {
    const names = new Set(this.#files.flatMap(({ caches }) => Object.keys(caches)));
    const unread = this.#unread === undefined ? "" : ` ("${this.#unread}" may not be read)`;
    const paths = this.#files.map(({ path }) => `"${path}"`).join(" and ") + unread;
    return names.size === 0
      ? `${paths}, which name no caches`
      : `${paths}; the caches are ${Array.from(names).join(", ")}`;
  }
}

/**
 * Takes what a configuration has in the place of a cache.
 *
 * @param value What stands there.
 * @param about What it is called, and where it stands.
 * @throws {TypeError} When it is no object.
 */
export function toEntry(value: unknown, about: Omit<CacheEntry, "spec">): CacheEntry {
  if (isObject(value)) return { ...about, spec: value };
  throw new TypeError(
    `Cannot use cache ${about.title}: it is no object; write one such as ` +
      `{"type": "bag", "path": "mine.bag"}`,
  );
}

/** The path of something that a configuration names, from the folder that the file is in. */
export function resolvePath(entry: CacheEntry): string {
  const { spec: { path }, title, file } = entry;
  if (typeof path !== "string" || path === "") {
    throw new TypeError(`Cannot use cache ${title}: its \`path\` is the path of where it is kept`);
  }
  const url = /^\w[\w+.-]*:\/\//.test(path) ? URL.parse(path) ?? path : path;
  return resolve(dirname(file), toPath(url, `use cache ${title}`));
}

function readFolder(folder: string): ConfigFile | undefined {
  const [found, other] = PLACES.flatMap(([file, key]) => readPlace(`${folder}${file}`, key));
  if (found === undefined || other === undefined) return found;
  throw new TypeError(
    `Cannot read the configuration of caches: both "${found.path}" and "${other.path}" have one; ` +
      "keep one of them",
  );
}

function readPlace(path: string, key: string | undefined): [] | [ConfigFile] {
  const text = readText(path);
  if (text === undefined) return [];
  const action = `read the configuration "${path}"`;
  let value: unknown;
  try {
    value = parseJsonc(text);
  } catch (cause) {
    // Deno tells of a broken configuration of its own, and a program need not have one of Quiver's.
    if (key !== undefined) return [];
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SyntaxError(`Cannot ${action}: it is no JSON: ${reason}`, { cause });
  }
  if (key !== undefined) {
    if (!isObject(value) || !Object.hasOwn(value, key)) return [];
    value = value[key];
  }
  if (!isObject(value)) {
    const what = key === undefined ? "it" : `its key \`${key}\``;
    throw new TypeError(`Cannot ${action}: ${what} is no object; the keys are ${keys()}`);
  }
  checkOptions(action, value, RULES, "no field");
  const { root = false, default: named, caches = {}, collectors } = value;
  const names = Array.isArray(collectors) ? collectors.map(String) : undefined;
  const collect = names?.flatMap((name) => COLLECTOR_NAMES.find((known) => known === name) ?? []);
  const unknown = names?.find((name) => !COLLECTOR_NAMES.some((known) => known === name));
  if (unknown !== undefined) {
    throw new TypeError(
      `Cannot ${action}: there is no collector "${unknown}"; they are ${
        COLLECTOR_NAMES.join(", ")
      }, and ` +
        "your own are for the option `collect` of scopes",
    );
  }
  return [{
    path,
    root: root === true,
    ...(typeof named === "string" && { default: named }),
    ...(collect !== undefined && { collectors: collect }),
    caches: isObject(caches) ? caches : {},
  }];
}

function keys(): string {
  return Object.keys(RULES).join(", ");
}

function isObject(value: unknown): value is JsonObject {
  return OBJECT.allows(value);
}

/** The text of a file, if there is one. */
function readText(path: string): string | undefined {
  try {
    return Deno.statSync(path).isFile ? Deno.readTextFileSync(path) : undefined;
  } catch (error) {
    const absent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    if (absent) return undefined;
    throw error;
  }
}

function mayRead(path: string): boolean {
  return Deno.permissions.querySync({ name: "read", path }).state === "granted";
}

/** The folder and those above it, with a slash at their ends. */
function foldersAround(folder: string): string[] {
  const parts = folder.replaceAll("\\", "/").replace(/\/+$/, "").split("/");
  return parts.map((_, index) => `${parts.slice(0, parts.length - index).join("/")}/`);
}
