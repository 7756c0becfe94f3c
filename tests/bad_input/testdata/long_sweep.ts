// Sweeps many points on workers, and says of each whether it was a hit.
import { cacheScope, Executor, openBag } from "@quiver/quiver";
import { slow } from "./tasks.ts";

const [path = "", points = "0"] = Deno.args;
await using bag = await openBag(path);
await using executor = new Executor({ maxWorkers: 2 });
await cacheScope({ cache: bag, strict: true }, async () => {
  const futures = Array.from({ length: Number(points) }, (_, x) => executor.submit(slow, x));
  for (const [x, future] of futures.entries()) {
    if ((await future)[0] !== x) throw new Error(`wrong result of ${x}`);
    console.log(`${x} ${future.hit ? "hit" : "miss"}`);
  }
});
