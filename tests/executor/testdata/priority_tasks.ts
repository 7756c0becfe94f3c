// Tasks that write down in which order they ran.
import { task } from "@quiver/quiver";

/** Adds its name to a file. */
export const note = task(
  import.meta,
  function note(path: string, name: string, ..._before: unknown[]): string[] {
    Deno.writeTextFileSync(path, `${name} `, { append: true });
    return [name];
  },
  { ignore: ["path"] },
);

/** The same, as an item of a map. */
export const noteItem = task(
  import.meta,
  function noteItem({ path, name }: { readonly path: string; readonly name: string }): void {
    Deno.writeTextFileSync(path, `${name} `, { append: true });
  },
);

/** Calls back, and gives what that gives. */
export const callBack = task(
  import.meta,
  async function callBack(fn: () => unknown): Promise<unknown> {
    return await fn();
  },
);
