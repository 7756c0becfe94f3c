// Futures as arguments, at any depth: deno run --allow-read examples/chain.ts
import { DependencyError, Executor, task } from "@quiver/quiver";
import { assertEquals, assertRejects } from "@std/assert";

export const sample = task(import.meta, function sample(seed: number): Float64Array {
  if (seed < 0) throw new RangeError(`Cannot sample as the seed is negative: ${seed}`);
  return Float64Array.from({ length: 1000 }, (_, index) => Math.sin(seed * 1e4 + index ** 2));
});

export const merge = task(
  import.meta,
  function merge({ parts }: { parts: Float64Array[] }): number {
    const all = parts.flatMap((part) => [...part]);
    return all.reduce((sum, x) => sum + x, 0) / all.length;
  },
);

if (import.meta.main) {
  await using executor = new Executor({ maxWorkers: 2 });
  const parts = [1, 2, 3].map((seed) => executor.submit(sample, seed));
  const mean = await executor.submit(merge, { parts });
  console.log(`the mean of ${parts.length} samples is ${mean.toFixed(4)}`);

  const broken = executor.submit(merge, { parts: [executor.submit(sample, -1)] });
  const error = await assertRejects(() => broken, DependencyError);
  console.log(error.message);
  assertEquals(error.chain, ["sample", "merge"]);
}
