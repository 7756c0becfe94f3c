// Remembers points for ever and prints each one that is acknowledged; it is there to be killed.
import { cacheScope } from "@quiver/quiver";
import { openFileCache, openSqliteCache } from "@quiver/quiver/caches";
import { wave } from "./wave.ts";

const [kind, path = "", first = "0"] = Deno.args;
await using cache = await (kind === "files" ? openFileCache : openSqliteCache)(path);
await cacheScope({ cache, strict: true }, async () => {
  for (let point = Number(first);; point++) {
    await wave(point);
    console.log(point);
  }
});
