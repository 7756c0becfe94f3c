import { type Cache, createMemoryCache, openBag } from "@quiver/quiver";
import { openFileCache, openSqliteCache } from "@quiver/quiver/caches";

/** A directory of a test's own, with a log of the bodies that ran. */
export class Files implements AsyncDisposable {
  /** The directory, without links in its path. */
  readonly root: string = Deno.realPathSync(Deno.makeTempDirSync());
  /** Gets a byte for each body that runs. */
  readonly log: string = `${this.root}/log`;

  /** Gives a path in the directory. */
  at(name: string): string {
    return `${this.root}/${name}`;
  }

  /** Writes a file; one that was changed long ago, such that its digest is remembered. */
  writeOld(name: string, text: string): string {
    const path = this.at(name);
    Deno.writeTextFileSync(path, text);
    return this.age(path);
  }

  /** Makes a file one that was changed long ago. The time of that itself cannot be set. */
  age(path: string): string {
    Deno.utimeSync(path, LONG_AGO, LONG_AGO);
    return path;
  }

  /** How many bodies have run. */
  get runs(): number {
    try {
      return Deno.statSync(this.log).size;
    } catch {
      return 0;
    }
  }

  /** Removes it all. */
  [Symbol.asyncDispose](): Promise<void> {
    return Deno.remove(this.root, { recursive: true });
  }
}

const LONG_AGO = new Date("2001-02-03T04:05:06Z");

/** A cache of each kind, by name. */
export const CACHES: {
  readonly [name: string]: (root: string) => Promise<Cache & Partial<AsyncDisposable>>;
} = {
  "a memory cache": () => Promise.resolve(createMemoryCache()),
  "a bag": (root) => openBag(`${root}/results.bag`),
  "a file cache": (root) => openFileCache(`${root}/results`),
  "a SQLite cache": (root) => openSqliteCache(`${root}/results.sqlite`),
};

/** Opens one of them. */
export function openCache(
  name: string,
  { root }: Files,
): Promise<Cache & Partial<AsyncDisposable>> {
  const open = CACHES[name];
  if (open === undefined) throw new TypeError(`Cannot open ${name}`);
  return open(root);
}
