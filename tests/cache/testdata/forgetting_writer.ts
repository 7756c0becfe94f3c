// A program that makes calls beside others. Arguments: the kind of cache, its directory, how many calls,
// what it is limited to (JSON), or nothing.
import { cacheScope } from "@quiver/quiver";
import { limited } from "@quiver/quiver/caches";
import { fill, share, SHARED } from "./forgetting_kinds.ts";

const [kind = "", directory = "", count = "0", limits] = Deno.args;
const open = SHARED[kind];
if (open === undefined) throw new Error(`there is no kind "${kind}"`);
await using opened = await open(directory);
const cache = limits === undefined ? opened.cache : limited(opened.cache, JSON.parse(limits));
await cacheScope({ cache }, async () => {
  for (let n = 0; n < Number(count); n++) {
    await fill(n, 5000);
    // The same blocks again and again, which others drop.
    await share(n, new Uint8Array(6000).fill(n % 3));
  }
});
