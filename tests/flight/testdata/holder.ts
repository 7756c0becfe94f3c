// Takes the leases of calls, says so, and keeps them until it is killed. Arguments: the bag, then
// the numbers that `counted` is called with.
import { openBagFiles } from "../../../src/bag/open_bag.ts";
import { counted } from "./tasks.ts";

const [path = "", ...numbers] = Deno.args;
await using bag = await openBagFiles(path, { fold: "manual" });
const leases: (Disposable | undefined)[] = [];
for (const n of numbers) leases.push(bag.leases.tryAcquire(await counted.digest(Number(n), "")));
console.log(`holds ${leases.filter((lease) => lease !== undefined).length}`);
await new Promise((resolve) => setTimeout(resolve, 2 ** 31 - 1));
