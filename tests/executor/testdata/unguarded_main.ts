// A program without a guard: a worker that imports it for the task would run it again.
import { Executor, task } from "@quiver/quiver";

export const triple = task(import.meta, function triple(x: number): number {
  return 3 * x;
});

await using executor = new Executor({ maxWorkers: 1 });
try {
  console.log(await executor.submit(triple, 1));
} catch (error) {
  console.log((error as Error).name, (error as Error).message);
}
