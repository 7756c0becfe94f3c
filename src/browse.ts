/**
 * A page to look at the calls and values of a bag, served on this machine for whoever has its address.
 *
 * ```ts no-run
 * import { openBag } from "@quiver/quiver";
 * import { browse } from "@quiver/quiver/browse";
 *
 * await using bag = await openBag("./results.bag", { mode: "read" });
 * await using server = browse(bag);
 * console.log(`Open ${server.url}`);
 * ```
 *
 * @module
 */
export { browse, type BrowseOptions, type BrowseServer } from "./browse/server/serve_bag.ts";
