// A program with its tasks in the main module, guarded as it must be; it ends by itself.
import { Executor, task } from "@quiver/quiver";

export const triple = task(import.meta, function triple(x: number): number {
  return 3 * x;
});

if (import.meta.main) {
  await using executor = new Executor({ maxWorkers: 2 });
  console.log(await executor.submit(triple, 14));
}
