import { outside } from "./ambient.ts";

// The one thing kept here are the modules themselves, which are the same for everybody: what is
// imported while the same import is on its way goes all of that way again.
const IMPORTS = new Map<string, Promise<unknown>>();

/**
 * Imports one of Quiver's own modules at the moment it is needed.
 *
 * The specifier is no literal on purpose: what stands in a literal `import()` Deno reads and resolves
 * at the start of every worker, used or not, and packages from npm and the code of bags would take a
 * third of that start.
 *
 * @typeParam T `typeof import(…)` of the module, which also has it type-checked.
 * @param file The module, relative to the one that imports it.
 * @param base `import.meta.url` of the module that imports it.
 * @returns The module.
 * @throws {Deno.errors.NotCapable} Without `--allow-read` of the module.
 */
export function importLater<T>(file: string, base: string): Promise<T> {
  const { href } = new URL(file, base);
  const known = IMPORTS.get(href);
  // Whoever names the module names its type.
  if (known !== undefined) return known as Promise<T>;
  const imported = importOutside<T>(href);
  IMPORTS.set(href, imported);
  // The next one who needs it tries again.
  imported.catch(() => IMPORTS.delete(href));
  return imported;
}

async function importOutside<T>(href: string): Promise<T> {
  try {
    return await outside(() => import(href));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    if (error.message.startsWith("Module not found ")) {
      throw new TypeError(
        `Cannot import ${
          JSON.stringify(href)
        }: this file of Quiver's is not there; a bundler has to ` +
          "leave Quiver out, and `deno compile` needs `--include` of its folder",
        { cause: error },
      );
    }
    // Deno says by a TypeError that a module may not be read, and by NotCapable everywhere else.
    if (!error.message.startsWith("Requires ")) throw error;
    throw new Deno.errors.NotCapable(error.message, { cause: error });
  }
}

/**
 * One of Quiver's own modules, imported when it is first needed, and from then on at hand without an
 * `await`.
 *
 * Every worker loads Quiver with the module of its first task, so that each module of Quiver's is
 * paid for at each start, used or not:
 *
 * - Imported statically it takes about 0.15 ms. That is for what every call needs.
 * - Behind a literal `import()`, as here, it takes a third of that until somebody needs it: Deno reads
 *   it, but neither compiles nor runs it. When it is needed that takes no permission, so this is for
 *   what a program may need that may read no files: keys, digests, memory caches.
 * - Behind `importLater()` it takes nothing. When it is needed that takes `--allow-read`, so that is
 *   for what needs files or workers anyway, and for packages from npm where possible: where Deno
 *   keeps a `node_modules` by itself, it looks that over for each worker with a package in its graph.
 *
 * What users call stays a thin function or class in a module of its own, which `mod.ts` exports and
 * which has the documentation and checks its options; `limited_stores.ts` and `lazy_engine.ts` are
 * examples. `tests/start_test.ts` holds the count.
 *
 * @typeParam T `typeof import(…)` of the module.
 */
export class LateModule<T> {
  readonly #import: () => Promise<T>;
  #loading: Promise<T> | undefined;
  #loaded: T | undefined;

  /**
   * Imports nothing yet.
   *
   * @param load Imports the module, by a literal `import()`.
   */
  constructor(load: () => Promise<T>) {
    this.#import = load;
  }

  /** The module, if it is loaded: asked first, so that what follows need not wait. */
  get loaded(): T | undefined {
    return this.#loaded;
  }

  /**
   * Loads the module, unless it is loaded: once, however many ask for it meanwhile. When that fails,
   * the next one who asks tries again.
   *
   * @returns The module.
   */
  load(): Promise<T> {
    if (this.#loading !== undefined) return this.#loading;
    const loading = Promise.try(async () => this.#loaded = await outside(this.#import));
    this.#loading = loading;
    loading.catch(() => this.#loading = undefined);
    return loading;
  }
}

/** What bundlers follow; Deno has none in such a module. */
declare const require: (file: string) => never;

/**
 * Makes bundlers fail, which would leave out whatever is imported late, and the entries of workers, so
 * that the program would fail when it first opens a bag. Nobody calls this: bundlers look for what is
 * required, used or not. It stands in a condition as they look into those, too, and Deno does not.
 *
 * @param file What is required.
 */
export function refuseBundlers(file?: string): never {
  return require(
    file === undefined
      ? "Cannot bundle Quiver: leave it out, deno bundle --external=@quiver/quiver"
      : file,
  );
}
