import { cacheScope, Executor, openBag } from "@quiver/quiver";
import { query } from "@quiver/quiver/caches";
import { wrapExecutor } from "@quiver/quiver/pools";
import { runInWorker } from "@quiver/quiver/workers";
import { ramp, square } from "./tasks.ts";

if (import.meta.main) {
  await using bag = await openBag("./results.bag");
  await cacheScope({ cache: bag, workers: {} }, async () => {
    console.log("main", await square(2), (await ramp(1000)).at(-1));
    for (const workerType of ["web", "process"] as const) {
      await using executor = new Executor({ workerType, maxWorkers: 1 });
      const n = workerType === "web" ? 3 : 4;
      await executor.submit(square, n);
      const again = executor.submit(square, n);
      console.log(workerType, await again, again.hit);
    }
    // All entries know the tasks, the scope and the cache of one another.
    await using executor = wrapExecutor(new Executor());
    const [ran, again] = [await runInWorker(square, [5]), executor.submit(square, 5)];
    await again;
    const wrapped = executor instanceof Executor;
    console.log("entries", ran, again.hit, wrapped, await query(bag).count());
  });
}
