// Uses a cache as one of several users: stores what is named, and prints what is known of all names.
import { cacheScope, openBag, task } from "@quiver/quiver";
import { openFileCache, openSqliteCache } from "@quiver/quiver/caches";

const [kind = "", path = "", options = "{}", ...names] = Deno.args;
const OPEN = { bag: openBag, files: openFileCache, sqlite: openSqliteCache };

const large = task(import.meta, (name: string) => new Float64Array(2000).fill(name.length), {
  name: "large",
});

Deno.umask(0o077);
try {
  if (!(kind in OPEN)) throw new TypeError(`no kind of cache: ${kind}`);
  const open = OPEN[kind as keyof typeof OPEN];
  await using cache = await open(path, JSON.parse(options));
  const warnings: string[] = [];
  const onWarning = ({ message }: { readonly message: string }) => void warnings.push(message);
  await cacheScope({ cache, onWarning }, async () => {
    const known: string[] = [];
    for (const name of names) {
      if (await large.contains(name)) known.push(name);
      await large(name);
    }
    if ("compact" in cache && options === "{}") await cache.compact();
    console.log(JSON.stringify({ known, warnings }));
  });
} catch (error) {
  console.log(JSON.stringify({ error: String(error) }));
}
