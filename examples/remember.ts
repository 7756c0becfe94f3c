// Remember calls in a bag, and ask again: deno run --allow-read --allow-write examples/remember.ts
import { cacheScope, openBag, task } from "@quiver/quiver";
import { assertEquals } from "@std/assert";

let runs = 0;

export const primes = task(import.meta, function primes(limit: number): number[] {
  runs++;
  const found: number[] = [];
  for (let n = 2; n < limit; n++) {
    if (!found.some((prime) => n % prime === 0)) found.push(n);
  }
  return found;
}, { version: 1 });

if (import.meta.main) {
  const path = await Deno.makeTempDir();
  for (const visit of ["first", "second"]) {
    await using bag = await openBag(path);
    await cacheScope({ cache: bag }, async () => {
      const future = primes(2000);
      const { length } = await future;
      console.log(`${visit}: ${length} primes, ${future.hit ? "from the bag" : "computed"}`);
    });
  }
  assertEquals(runs, 1);
  await Deno.remove(path, { recursive: true });
}
