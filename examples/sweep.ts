// Sweep a parameter on workers: deno run --allow-read --allow-write examples/sweep.ts
import { cacheScope, Executor, openBag, task } from "@quiver/quiver";
import { assertEquals } from "@std/assert";

/** The logistic map: where a population ends up at a growth rate. */
export const logistic = task(import.meta, function logistic(rate: number): Float64Array {
  const orbit = new Float64Array(1000);
  let x = 0.5;
  for (let step = -1000; step < orbit.length; step++) {
    x = rate * x * (1 - x);
    if (step >= 0) orbit[step] = x;
  }
  return orbit;
}, { version: 1 });

if (import.meta.main) {
  const path = await Deno.makeTempDir();
  {
    await using bag = await openBag(path);
    await using executor = new Executor({ maxWorkers: 2 });
    await cacheScope({ cache: bag, tags: { study: "chaos" } }, async () => {
      const rates = [2.8, 3.2, 3.5, 3.9];
      const periods: number[] = [];
      for await (const orbit of executor.map(logistic, rates, { progress: true })) {
        periods.push(new Set(orbit.slice(-64).map((x) => Math.round(x * 1e6))).size);
      }
      console.log(rates.map((rate, index) => `${rate}: period ${periods[index]}`).join("\n"));
      assertEquals(periods.slice(0, 3), [1, 2, 4]);
    });
  }
  await Deno.remove(path, { recursive: true });
}
