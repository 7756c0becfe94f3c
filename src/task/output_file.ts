import { currentScope } from "../scope/current_scope.ts";
import { createOutput, type FileHandle } from "../value/file/file_handle.ts";

/**
 * Makes a file, or a directory with all that is in it, a part of a result: its bytes are remembered, and
 * a hit puts it back where it is missing or differs.
 *
 * A relative path is one below the directory of outputs: the option `outputs` of the scope, or else the
 * working directory. The `path` of the handle says where that is; the task writes there, and returns
 * the handle, alone or inside of something else. When the body has ended the file is read, piece by
 * piece, and stored under the SHA-256 of its bytes.
 *
 * A hit writes to a temporary file and renames it, so that nobody sees a part of it. It writes nothing
 * outside of the directory of outputs, nor behind a symbolic link in it, whatever the cache says:
 * elsewhere only where an argument of the call is the path of the file, or that of its directory. Of a
 * directory each file is put back that is missing or differs; other files in it stay.
 *
 * The call fails with a `FileError` when the body has not written the file, when two outputs of a result
 * have one place, or when something is in the way of a file that is to be put back.
 *
 * Requires `--allow-read` of the file, and `--allow-write` to put it back.
 *
 * @param path A path, or a `file:` URL.
 * @returns A handle to write by, to return, and to read from.
 * @throws {TypeError} When the path is no path, or leads upwards.
 *
 * @example Have a chart drawn once, and put back when it is missing
 * ```ts
 * import { cacheScope, createMemoryCache, outputFile, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * let runs = 0;
 * const draw = task(import.meta, async function draw(color: string) {
 *   runs++;
 *   const chart = outputFile("chart.svg");
 *   await Deno.writeTextFile(chart.path, `<svg><circle r="9" fill="${color}"/></svg>`);
 *   return chart;
 * });
 *
 * const outputs = await Deno.makeTempDir();
 * await cacheScope({ cache: createMemoryCache(), outputs }, async () => {
 *   const chart = await draw("red");
 *   await Deno.remove(chart.path);
 *   const again = await draw("red");
 *   assertEquals(await again.text(), '<svg><circle r="9" fill="red"/></svg>');
 *   assertEquals(await Deno.readTextFile(`${outputs}/chart.svg`), await again.text());
 * });
 * assertEquals(runs, 1);
 * await Deno.remove(outputs, { recursive: true });
 * ```
 */
export function outputFile(path: string | URL): FileHandle {
  return createOutput(path, currentScope().outputs);
}
