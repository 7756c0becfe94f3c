// Tasks whose results depend on what lies in a file, so that a test sees which of them ran.
import { task } from "@quiver/quiver";

/** Reads a number that a test has written. */
export const read = task(import.meta, async function read(path: string): Promise<number> {
  return Number(await Deno.readTextFile(path));
});

/** Asks for it by a nested call. */
export const twice = task(import.meta, async function twice(path: string): Promise<number> {
  return 2 * await read(path);
});
