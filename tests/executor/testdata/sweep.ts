// Maps a traced task over 24 points with a bag: two of these at once compute each point once.
import { cacheScope, Executor, openBag } from "@quiver/quiver";
import { traced } from "./tasks.ts";

const [path = "", directory = ""] = Deno.args;
await using bag = await openBag(path);
await using executor = new Executor({ maxWorkers: 2 });
await cacheScope({ cache: bag }, async () => {
  const points = Array.from({ length: 24 }, (_, index) => index);
  const futures = points.map((x) => executor.submit(traced, x, directory));
  for (const [x, future] of futures.entries()) {
    const value = await future;
    if (value.x !== x || value.samples[1999] !== x) throw new Error(`wrong value of ${x}`);
  }
  console.log(futures.filter(({ hit }) => !hit).length);
});
