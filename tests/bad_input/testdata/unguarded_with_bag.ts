// A program without a guard, and with a bag: a worker that imports it for the task runs it again.
import { cacheScope, Executor, openBag, task } from "@quiver/quiver";

export const triple = task(import.meta, function triple(x: number): number {
  return 3 * x;
});

await using bag = await openBag(Deno.args[0] ?? "");
await using executor = new Executor({ maxWorkers: 1 });
await cacheScope({ cache: bag }, async () => {
  console.log(await executor.submit(triple, 14));
});
