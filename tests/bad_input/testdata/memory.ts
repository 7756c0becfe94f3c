// Remembers a call in memory, and prints whether the second one was a hit.
import { cacheScope, createMemoryCache } from "@quiver/quiver";
import { double } from "./tasks.ts";

await cacheScope({ cache: createMemoryCache() }, async () => {
  await double(21);
  const again = double(21);
  console.log(await again, again.hit);
});
