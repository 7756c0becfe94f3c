// Remembers a call in memory, and prints whether the second one was a hit, and what one fails with.
import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
import { double } from "./tasks.ts";

const fail = task(import.meta, (reason: string): never => {
  throw new RangeError(reason);
}, { name: "fail", code: "none" });

await cacheScope({ cache: createMemoryCache(), keepFailures: true }, async () => {
  await double(21);
  const again = double(21);
  console.log(await again, again.hit);
  await fail("its own").catch((error) => console.log(String(error)));
});
