import { cacheScope, Executor, openBag } from "@quiver/quiver";
import { ramp, square } from "./tasks.ts";

if (import.meta.main) {
  await using bag = await openBag("./results.bag");
  await cacheScope({ cache: bag }, async () => {
    console.log("main", await square(2), (await ramp(1000)).at(-1));
    for (const workerType of ["web", "process"] as const) {
      await using executor = new Executor({ workerType, maxWorkers: 1 });
      const n = workerType === "web" ? 3 : 4;
      await executor.submit(square, n);
      const again = executor.submit(square, n);
      console.log(workerType, await again, again.hit);
    }
  });
}
