// A program that stores calls in a bag that it limits to ten. Arguments: the bag, a name.
import { cacheScope, openBag, task } from "@quiver/quiver";
import { limited } from "@quiver/quiver/caches";

const tag = task(import.meta, (name: string, n: number) => `${name} ${n}`, { name: "tag" });

const [path = "", name = ""] = Deno.args;
await using bag = await openBag(path);
await cacheScope({ cache: limited(bag, { maxItems: 10 }) }, async () => {
  for (let n = 0; n < 100; n++) await tag(name, n);
});
