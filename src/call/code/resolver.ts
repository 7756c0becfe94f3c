import { copyUrls } from "../../base/ambient.ts";
import { mayRead } from "../module_sources.ts";
import { parseJsonc } from "../projects.ts";
import { type JsonObject, LockFile, parsePackage, toObject } from "./lock_file.ts";

/** That nothing tells which version of a package runs. */
export class UnknownVersionError extends TypeError {
  /** Says so. */
  constructor(message: string) {
    super(message);
    // For those who meet it, it is what is said in the docs.
    this.name = "TypeError";
  }
}

/** Where an import leads. */
export type Target =
  /** A module whose code counts. */
  | { readonly kind: "local"; readonly url: string }
  /** What is known by a name and a version. */
  | { readonly kind: "package"; readonly name: string; readonly version: string }
  /** Quiver itself, whose code is not the user's. */
  | { readonly kind: "quiver" };

/** Quiver's own files; a program may have another copy of them. */
const OWN = /^(?:src\/|mod\.ts$)/;
const OWN_NAME = "@quiver/quiver";

const CONFIGS = ["deno.json", "deno.jsonc", "package.json"];

/** How many configurations may extend one another. */
const MOST_EXTENDED = 8;

/** What names stand for in some modules. */
interface ImportMap {
  /** The URL that the modules are beneath; absent for all. */
  readonly scope?: string;
  /** What relative targets are seen from. */
  readonly base: string;
  /** The targets. */
  readonly imports: JsonObject;
}

/** What a folder's configuration says of imports. */
interface Config {
  /** The URL of its folder. */
  readonly folder: string;
  /** The name of the package, if it is one. */
  readonly name: unknown;
  /** Its import maps: those of scopes, by the URLs that they hold beneath, and that of all modules. */
  readonly maps: readonly ImportMap[];
  /** Where the lock file is, if that is said. */
  readonly lock: unknown;
  /** What becomes of code before it runs. */
  readonly compilerOptions: JsonObject;
}

/** The options of the compiler that say what becomes of JSX and decorators. */
const COUNTED_OPTIONS = [
  "jsx",
  "jsxFactory",
  "jsxFragmentFactory",
  "jsxImportSource",
  "jsxPrecompileSkipElements",
  "experimentalDecorators",
  "emitDecoratorMetadata",
];

/** Finds out what specifiers mean, as the modules do in which they stand. */
export class Resolver {
  readonly #module: string;
  readonly #resolve: (specifier: string) => string;
  readonly #configs = new Map<string, Config | undefined>();
  readonly #locks = new Map<string, LockFile>();
  readonly #warn: (warning: string) => void;

  /**
   * Reads nothing yet.
   *
   * @param module The URL of the task's module.
   * @param resolve Resolves as that module does.
   * @param warn Told of what cannot be seen.
   */
  constructor(
    module: string,
    resolve: (specifier: string) => string,
    warn: (warning: string) => void,
  ) {
    this.#module = module;
    this.#resolve = resolve;
    this.#warn = warn;
  }

  /**
   * Resolves a specifier.
   *
   * @param parent The URL of the module in which it stands.
   * @throws {TypeError} When it is not known what it means, or which version it has.
   */
  resolve(specifier: string, parent: string): Target {
    return this.#toTarget(this.#toUrl(specifier, parent), specifier, parent);
  }

  #toUrl(specifier: string, parent: string): string {
    const isBare = !isPath(specifier) && !URL.canParse(specifier);
    const url = isBare ? specifier : URL.parse(specifier, parent)?.href ?? specifier;
    // The task's module resolves as it does itself: scopes and members of a workspace have maps of
    // their own.
    for (const map of this.#ownMaps(parent)) {
      const mapped = mapSpecifier(url, map);
      if (mapped !== undefined) return mapped;
    }
    try {
      return this.#resolve(url);
    } catch (cause) {
      if (!isBare) return url;
      const found = this.#findInModules(specifier, parent);
      if (found !== undefined) return found;
      throw new TypeError(
        `Cannot tell what "${specifier}" in "${parent}" is: no import map knows it`,
        { cause },
      );
    }
  }

  /** What the compiler is told of JSX and decorators in a module, where somebody says so. */
  compilerOptionsOf(url: string): JsonObject {
    const options: JsonObject[] = this.#configsOf(url).map((config) => config.compilerOptions);
    const counted = COUNTED_OPTIONS.map((name) =>
      [name, options.find((one) => one[name] !== undefined)?.[name]] as const
    );
    return Object.fromEntries(counted.filter(([, value]) => value !== undefined));
  }

  /** All configurations around a module, innermost first. */
  #configsOf(url: string): Config[] {
    const configs: Config[] = [];
    for (let config = this.#configOf(url); config !== undefined;) {
      configs.push(config);
      const above = new URL("..", config.folder).href;
      config = above === config.folder ? undefined : this.#configOf(above);
    }
    return configs;
  }

  /** The import maps that hold in a module, if they may be others than those in the task's. */
  #ownMaps(parent: string): ImportMap[] {
    const configs = this.#configsOf(parent);
    const isSame = configs[0]?.folder === this.#configOf(this.#module)?.folder;
    const maps = configs.flatMap(({ maps }) => maps);
    if (isSame && maps.every(({ scope }) => scope === undefined)) return [];
    return maps.filter(({ scope = "" }) => parent.startsWith(scope));
  }

  /** The nearest configuration around a module or folder. */
  #configOf(url: string): Config | undefined {
    if (!url.startsWith("file:")) return undefined;
    const folder = new URL(".", url).href;
    if (this.#configs.has(folder)) return this.#configs.get(folder);
    const above = new URL("..", folder).href;
    const config = readConfig(folder) ?? (above === folder ? undefined : this.#configOf(above));
    this.#configs.set(folder, config);
    return config;
  }

  /** As Node does: the nearest `node_modules` that has it. */
  #findInModules(specifier: string, parent: string): string | undefined {
    const name = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0];
    for (const folder of foldersAround(parent)) {
      const url = `${folder}node_modules/${name}/package.json`;
      if (readText(url) !== undefined) return `${folder}node_modules/${specifier}`;
    }
    return undefined;
  }

  #toTarget(url: string, specifier: string, parent: string): Target {
    if (this.#isOwn(url)) return { kind: "quiver" };
    const { protocol } = new URL(url);
    switch (protocol) {
      case "npm:":
      case "jsr:":
        return this.#toPackage(url, parent);
      case "file:":
        return url.includes("/node_modules/") ? this.#toInstalled(url) : { kind: "local", url };
      case "data:":
      case "blob:":
        return { kind: "local", url };
      case "node:":
        return { kind: "package", name: url, version: "" };
      case "http:":
      case "https:":
        return this.#toRemote(url);
      default:
        throw new TypeError(`Cannot tell what "${specifier}" in "${parent}" is: it is "${url}"`);
    }
  }

  #isOwn(url: string): boolean {
    if (url.startsWith(`jsr:${OWN_NAME}`)) return true;
    const config = this.#configOf(url);
    const folders = copyUrls().map((entry) => new URL(".", entry).href);
    if (config?.name === OWN_NAME) folders.push(config.folder);
    return folders.some((folder) => url.startsWith(folder) && OWN.test(url.slice(folder.length)));
  }

  #toPackage(url: string, parent: string): Target {
    const found = parsePackage(url);
    if (found === undefined) throw new TypeError(`Cannot read "${url}" in "${parent}"`);
    const version = this.#lockOf(parent).find(found) ?? this.#installedVersion(found.name, parent);
    if (version === undefined) {
      throw new UnknownVersionError(
        `Cannot tell which version "${url}" in "${parent}" has: no lock file around it knows; ` +
          "import an exact version, or keep a `deno.json` and its `deno.lock` beside the program",
      );
    }
    return { kind: "package", name: `${found.registry}:${found.name}${found.path}`, version };
  }

  /** What is installed may come from a folder of the user's. */
  #toInstalled(url: string): Target {
    const real = toRealUrl(url);
    if (!real.includes("/node_modules/")) return { kind: "local", url: real };
    for (const folder of foldersAround(real)) {
      const { name, version } = readJson(`${folder}package.json`);
      if (typeof name !== "string" || typeof version !== "string") continue;
      const needed = this.#lockOf(url).find({ registry: "npm", name, range: version, path: "" });
      const path = real.slice(folder.length - 1);
      return { kind: "package", name: `npm:${name}${path}`, version: needed ?? version };
    }
    return { kind: "local", url: real };
  }

  #installedVersion(name: string, parent: string): string | undefined {
    for (const folder of foldersAround(parent)) {
      const { version } = readJson(`${folder}node_modules/${name}/package.json`);
      if (typeof version === "string") return version;
    }
    return undefined;
  }

  /** What is fetched is known by its URL, and by what the lock file has of all such code. */
  #toRemote(url: string): Target {
    const lock = this.#lockOf(this.#module);
    if (!lock.knows(url)) {
      this.#warn(
        `Cannot tell whether "${url}" stays what it is: no lock file has its digest, so that only ` +
          "its URL counts for the keys of calls",
      );
    }
    return { kind: "package", name: url, version: lock.remote };
  }

  #lockOf(url: string): LockFile {
    const folders = foldersAround(url);
    const config = this.#configOf(url);
    const path = typeof config?.lock === "string" ? config.lock : toObject(config?.lock).path;
    const named = typeof path === "string" && config !== undefined
      ? [new URL(path, config.folder).href]
      : [];
    const found = [...named, ...folders.map((folder) => `${folder}deno.lock`)].find((file) =>
      this.#locks.has(file) || readText(file) !== undefined
    );
    const known = this.#locks.get(found ?? "");
    if (known !== undefined) return known;
    const lock = openLock(found);
    this.#locks.set(found ?? "", lock);
    return lock;
  }
}

function openLock(url: string | undefined): LockFile {
  try {
    return new LockFile(url === undefined ? undefined : readText(url));
  } catch (cause) {
    throw new TypeError(`Cannot read the lock file "${url}": it is no JSON`, { cause });
  }
}

/** The longest entry that fits. */
function mapSpecifier(specifier: string, { imports, base }: ImportMap): string | undefined {
  const fits = ([key]: readonly [string, unknown]) =>
    key === specifier || specifier.startsWith(key.endsWith("/") ? key : `${key}/`);
  const entries = Object.entries(imports).map(([key, target]) =>
    [isPath(key) ? new URL(key, base).href : key, target] as const
  );
  const [entry] = entries.filter(fits).sort(([a], [b]) => b.length - a.length);
  const [key = "", target] = entry ?? [];
  if (typeof target !== "string") return undefined;
  const whole = target + specifier.slice(key.length);
  return isPath(whole) ? new URL(whole, base).href : whole;
}

function isPath(specifier: string): boolean {
  return /^\.{0,2}\//.test(specifier);
}

/** The maps of a configuration, or of the file that it names; those of the longest scopes first. */
function toMaps(config: JsonObject, folder: string): ImportMap[] {
  const { importMap, imports, scopes } = config;
  if (typeof importMap === "string") {
    const url = URL.parse(importMap, folder)?.href ?? folder;
    return toMaps({ ...readJson(url), importMap: undefined }, url);
  }
  const scoped = Object.entries(toObject(scopes)).map(([prefix, imports]) => ({
    scope: URL.parse(prefix, folder)?.href ?? prefix,
    base: folder,
    imports: toObject(imports),
  }));
  scoped.sort((a, b) => b.scope.length - a.scope.length);
  return [...scoped, { base: folder, imports: toObject(imports) }];
}

function readConfig(folder: string): Config | undefined {
  const configs = CONFIGS.flatMap((name) => {
    const text = readText(`${folder}${name}`);
    return text === undefined ? [] : [toObject(parseConfig(text))];
  });
  if (configs.length === 0) return undefined;
  const maps = configs.flatMap((config) => toMaps(config, folder));
  const { name } = configs[0] ?? {};
  const { lock } = configs.find(({ lock }) => lock !== undefined) ?? {};
  const options = configs.map(({ compilerOptions }) => toObject(compilerOptions));
  const compilerOptions = Object.assign(readTsconfig(folder), ...options.reverse());
  return { folder, name, maps, lock, compilerOptions };
}

/** The compiler's options where they are those of the TypeScript compiler, and what they extend. */
function readTsconfig(folder: string, name = "tsconfig.json", depth = 0): JsonObject {
  const url = new URL(name, folder).href;
  const { compilerOptions, extends: base } = readJson(url);
  const bases = depth < MOST_EXTENDED ? [base].flat().map(String).filter(isPath) : [];
  const inherited = bases.map((base) => readTsconfig(url, base, depth + 1));
  return Object.assign({}, ...inherited, toObject(compilerOptions));
}

function parseConfig(text: string): unknown {
  try {
    return parseJsonc(text);
  } catch {
    // Whoever runs the program is told of it by Deno.
    return {};
  }
}

function readJson(url: string): { readonly [name: string]: unknown } {
  const text = readText(url);
  return text === undefined ? {} : toObject(parseConfig(text));
}

/** The folders around a file, innermost first. */
function foldersAround(url: string): string[] {
  if (!url.startsWith("file:")) return [];
  const folders: string[] = [];
  let folder = new URL(".", url).href;
  for (;;) {
    folders.push(folder);
    const above = new URL("..", folder).href;
    if (above === folder) return folders;
    folder = above;
  }
}

/** The text of a file, if there is one that may be read. */
function readText(url: string): string | undefined {
  const path = new URL(url);
  try {
    return mayRead(path) ? Deno.readTextFileSync(path) : undefined;
  } catch {
    return undefined;
  }
}

function toRealUrl(url: string): string {
  const file = new URL(url);
  try {
    if (!mayRead(file)) return url;
    file.pathname = Deno.realPathSync(file).split("/").map(encodeURIComponent).join("/");
    return file.href;
  } catch {
    return url;
  }
}
