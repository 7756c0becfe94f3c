import { importLater } from "../base/lazy_import.ts";

/**
 * Writes lines into a file as they come, such as calls that need not be in memory together. The file is
 * replaced when all are written: who reads it meanwhile has what was there before, and what fails leaves
 * that as it is.
 *
 * Requires `--allow-read` and `--allow-write` of its directory, and `--allow-read` of Quiver's files.
 *
 * @param path The file, outside of any cache.
 * @param lines The lines, each with its end.
 * @returns How many there were.
 * @throws {QuiverError} When the file lies in a cache, or is none.
 *
 * @example Write the keys of calls, however many they are
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { query, writeLines } from "@quiver/quiver/caches";
 * import { assertEquals } from "@std/assert";
 *
 * const cache = createMemoryCache();
 * const seventh = task(import.meta, (n: number) => n / 7, { name: "seventh" });
 * await cacheScope({ cache }, () => Promise.all([seventh(1), seventh(2)]));
 * async function* toLines() {
 *   for await (const { key } of query(cache, seventh)) yield `${key}\n`;
 * }
 * const path = await Deno.makeTempFile();
 * assertEquals(await writeLines(path, toLines()), 2);
 * assertEquals((await Deno.readTextFile(path)).split("\n").length, 3);
 * await Deno.remove(path);
 * ```
 */
export async function writeLines(
  path: string | URL,
  lines: Iterable<string> | AsyncIterable<string>,
): Promise<number> {
  const { writeFile } = await importLater<typeof import("./table/build_table.ts")>("table");
  return await writeFile(path, lines);
}
