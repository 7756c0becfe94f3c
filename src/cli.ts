/**
 * The `quiver` command: looks into bags and other caches from a terminal.
 *
 * ```sh
 * deno run -A jsr:@quiver/quiver/cli ls results.bag
 * deno install -g -A -n quiver jsr:@quiver/quiver/cli
 * quiver --help
 * ```
 *
 * It exits with 0 when it has done what it was asked for, with 1 when nothing was found, something is
 * unsound or it has failed, and with 2 when it was called wrongly.
 *
 * @module
 */
export { runQuiver } from "./cli/program.ts";
export type { RunQuiverOptions } from "./cli/program.ts";
export type { Terminal } from "./cli/terminal.ts";
import { runHere } from "./cli/program.ts";

if (import.meta.main) await runHere();
