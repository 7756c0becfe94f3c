// Makes calls on two workers and prints the name and length of each that is acknowledged.
// Arguments: the bag, what the names begin with, then for each kind: how many, and how long.
import { cacheScope, Executor, openBag } from "@quiver/quiver";
import { datum } from "./datum.ts";

const [path = "", prefix = "", ...numbers] = Deno.args;
const [small = 0, smallLength = 0, large = 0, largeLength = 0] = numbers.map(Number);
const gap = Math.ceil(small / Math.max(1, large));
await using bag = await openBag(path, { fold: "full" });
await using executor = new Executor({ maxWorkers: 2 });
await cacheScope({ cache: bag, strict: true }, async () => {
  const made: Promise<void>[] = [];
  const make = async (name: string, length: number) => {
    const { length: got } = await executor.submit(datum, name, length);
    if (got !== length) throw new Error(`${name} has ${got} elements`);
    console.log(`${name} ${length}`);
  };
  for (let n = 0; n < small; n++) {
    made.push(make(`${prefix} small ${n}`, smallLength));
    if (n % gap === 0) made.push(make(`${prefix} large ${n}`, largeLength));
  }
  await Promise.all(made);
});
