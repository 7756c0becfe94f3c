/**
 * Builds what the server sends to browsers, into `src/browse/dist/`: `deno task page`. With another
 * folder as an argument it is written there, so that a test can compare.
 *
 * @module
 */

const ROOT = new URL("../../", import.meta.url);
const PAGE = new URL("src/browse/page/", ROOT);
const PLOT_STYLE = new URL("node_modules/uplot/dist/uPlot.min.css", PAGE);

/**
 * Builds the page.
 *
 * @param folder Where it is written.
 */
export async function buildPage(folder: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "bundle",
      "--quiet",
      "--platform",
      "browser",
      "--minify",
      "-o",
      `${folder}/page.js`,
      "main.tsx",
    ],
    cwd: PAGE,
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const styles = [PLOT_STYLE, new URL("page.css", PAGE)].map((url) => Deno.readTextFile(url));
  await Deno.writeTextFile(`${folder}/page.css`, (await Promise.all(styles)).join("\n"));
}

if (import.meta.main) await buildPage(Deno.args[0] ?? new URL("src/browse/dist", ROOT).pathname);
