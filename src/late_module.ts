import { outside } from "./ambient.ts";

/**
 * One of Quiver's own modules, imported when it is first needed, and from then on at hand without an
 * `await`.
 *
 * Every worker loads Quiver with the module of its first task, and a module that is imported
 * statically takes a fifth of a millisecond of that, whether it is used or not. Behind a literal
 * `import()` it takes a tenth of that as long as nobody needs it, and no permission when somebody
 * does: so this is for what a program may need that may read no file, and `importLater()`, which
 * takes nothing at all, for the rest. Packages from npm are better behind neither: where there is a
 * `node_modules`, Deno goes through it for a worker that has one of them anywhere in its graph.
 *
 * @typeParam T `typeof import(…)` of the module.
 */
export class LateModule<T> {
  readonly #import: () => Promise<T>;
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
   * Loads the module, unless it is loaded.
   *
   * @returns The module.
   */
  async load(): Promise<T> {
    return this.#loaded ??= await outside(this.#import);
  }
}
