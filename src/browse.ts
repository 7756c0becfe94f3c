/**
 * A page to look at the calls and values of a bag, served on this machine for whoever has its address.
 *
 * ```ts
 * import { openBag } from "@quiver/quiver";
 * import { browse } from "@quiver/quiver/browse";
 *
 * const path = await Deno.makeTempDir();
 * {
 *   await using bag = await openBag(`${path}/results.bag`);
 *   await using server = browse(bag);
 *   console.log(`Open ${server.url}`);
 * }
 * await Deno.remove(path, { recursive: true });
 * ```
 *
 * @module
 */
export { browse, type BrowseOptions, type BrowseServer } from "./browse/server/serve_bag.ts";
