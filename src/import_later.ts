import { outside } from "./ambient.ts";

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
export async function importLater<T>(file: string, base: string): Promise<T> {
  const { href } = new URL(file, base);
  try {
    return await outside(() => import(href));
  } catch (error) {
    // Deno says by a TypeError that a module may not be read, and by NotCapable everywhere else.
    if (!(error instanceof TypeError && error.message.startsWith("Requires "))) throw error;
    throw new Deno.errors.NotCapable(error.message, { cause: error });
  }
}
