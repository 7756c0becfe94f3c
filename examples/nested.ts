// Tasks inside tasks are remembered too: deno run --allow-read --allow-write examples/nested.ts
import { cacheScope, Executor, openBag, task } from "@quiver/quiver";
import { assert, assertEquals } from "@std/assert";

export const factorial = task(import.meta, function factorial(n: bigint): bigint {
  let product = 1n;
  for (let k = 2n; k <= n; k++) product *= k;
  return product;
});

export const choose = task(import.meta, async function choose(n: bigint, k: bigint) {
  return (await factorial(n)) / ((await factorial(k)) * (await factorial(n - k)));
});

if (import.meta.main) {
  const path = await Deno.makeTempDir();
  {
    await using bag = await openBag(path);
    await using executor = new Executor({ maxWorkers: 1 });
    await cacheScope({ cache: bag }, async () => {
      assertEquals(await executor.submit(choose, 52n, 5n), 2_598_960n);
      // The worker remembered the three factorials in the same bag.
      for (const n of [52n, 5n, 47n]) assert(await factorial.contains(n));
      console.log(`${[...await Array.fromAsync(bag.records())].length} calls are remembered`);
    });
  }
  await Deno.remove(path, { recursive: true });
}
