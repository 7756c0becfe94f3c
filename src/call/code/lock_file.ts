import { createSha256 } from "../../base/sha256.ts";

/** JSON's objects. */
export type JsonObject = { readonly [name: string]: unknown };

/** What a package is called. */
export interface PackageName {
  /** Where it comes from. */
  readonly registry: "npm" | "jsr";
  /** The name. */
  readonly name: string;
  /** Which versions are allowed; nothing for any. */
  readonly range: string;
  /** Which part of it is meant. */
  readonly path: string;
}

/** Reads `npm:name@range/path` and the same of JSR. */
export function parsePackage(url: string): PackageName | undefined {
  const found = /^(npm|jsr):\/?((?:@[^/@]+\/)?[^/@]+)(?:@([^/]+))?(\/.*)?$/.exec(url);
  if (found === null) return undefined;
  const [, registry, name = "", range = "", path = ""] = found;
  return { registry: registry === "npm" ? "npm" : "jsr", name, range, path };
}

const EXACT = /^\d+\.\d+\.\d+(?:[-+][\w.+-]+)?$/;

/** Which versions of packages Deno runs. */
export class LockFile {
  readonly #specifiers: ReadonlyMap<string, string>;
  readonly #packages: ReadonlyMap<string, readonly string[]>;
  readonly #remoteDigests: JsonObject;
  readonly #remote: string;

  /**
   * Reads a lock file.
   *
   * @param text The text of the file; without one nothing is known.
   * @throws {SyntaxError} When it is no JSON.
   */
  constructor(text: string | undefined) {
    const root = toObject(text === undefined ? {} : JSON.parse(text));
    // Before version 4 there was one object more.
    const { specifiers, npm, jsr } = { ...toObject(root.packages), ...root };
    this.#specifiers = new Map(
      Object.entries(toObject(specifiers)).map(([key, value]) => [key, String(value)]),
    );
    this.#packages = new Map([
      ...toPackages("npm", toObject(npm)),
      ...toPackages("jsr", toObject(jsr)),
    ]);
    const { remote, redirects } = root;
    this.#remoteDigests = toObject(remote);
    this.#remote = JSON.stringify([toObject(remote), toObject(redirects)]);
  }

  /** Whether it has the digest of what comes from a URL. */
  knows(url: string): boolean {
    return Object.hasOwn(this.#remoteDigests, url);
  }

  /** What stands for all code that comes from URLs. */
  get remote(): string {
    return createSha256().update(this.#remote).digest("hex").slice(0, 16);
  }

  /**
   * Finds the version of a package, and those of what it needs.
   *
   * @returns The versions, or `undefined` where they are not known.
   */
  find({ registry, name, range }: PackageName): string | undefined {
    const prefix = `${registry}:${name}@`;
    const exact = this.#specifiers.get(prefix + (range || "*"));
    // Deno may have written the range in another way: then it is any of those that are there.
    const versions = exact === undefined
      ? Array.from(this.#specifiers).flatMap(([key, value]) => key.startsWith(prefix) ? value : [])
      : [exact];
    // Of an old form, where what a range stands for has the name in front.
    const ids = new Set(versions.map((version) => this.#toId(registry, name, version)));
    if (EXACT.test(range)) {
      ids.clear();
      ids.add(`${prefix}${range}`);
    }
    if (ids.size === 0) return undefined;
    const own = Array.from(ids, (id) => id.slice(prefix.length)).sort().join(",");
    const needed = this.#needs(ids);
    return needed === "" ? own : `${own}+${needed}`;
  }

  #toId(registry: string, name: string, version: string): string {
    const bare = version.startsWith(`${registry}:`) ? version.slice(registry.length + 1) : version;
    return `${registry}:${bare.startsWith(`${name}@`) ? bare : `${name}@${bare}`}`;
  }

  /** What stands for all that packages need, directly or not. */
  #needs(ids: ReadonlySet<string>): string {
    const found = new Set<string>(ids);
    for (const id of found) {
      for (const dependency of this.#packages.get(id) ?? []) {
        for (const each of this.#resolve(id, dependency)) found.add(each);
      }
    }
    const needed = Array.from(found).filter((id) => !ids.has(id)).sort();
    return needed.length === 0
      ? ""
      : createSha256().update(needed.join("\n")).digest("hex").slice(0, 16);
  }

  #resolve(parent: string, dependency: string): readonly string[] {
    const registry = parent.slice(0, 3);
    const id = /^(?:npm|jsr):/.test(dependency) ? dependency : `${registry}:${dependency}`;
    if (this.#packages.has(id)) return [id];
    const found = parsePackage(id);
    if (found === undefined) return [id];
    const locked = this.#specifiers.get(id);
    if (locked !== undefined) return [this.#toId(found.registry, found.name, locked)];
    const prefix = `${found.registry}:${found.name}@`;
    const all = Array.from(this.#packages.keys()).filter((key) => key.startsWith(prefix));
    return all.length > 0 ? all : [id];
  }
}

function toPackages(registry: string, packages: JsonObject): [string, readonly string[]][] {
  return Object.entries(packages).map(([id, value]) => {
    const { dependencies, optionalDependencies } = toObject(value);
    const lists = [dependencies, optionalDependencies].map((list) =>
      Array.isArray(list) ? list : Object.values(toObject(list))
    );
    return [`${registry}:${id}`, lists.flat().map(String)];
  });
}

/** An object, or an empty one in place of anything else. */
export function toObject(value: unknown): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}
