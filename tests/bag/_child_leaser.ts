// A program that takes a lease, says so, and keeps it until it is killed. Arguments: bag and key.
import { openBagFiles } from "../../src/bag/open_bag.ts";

const [path = "", key = ""] = Deno.args;
await using bag = await openBagFiles(path, { fold: "manual" });
using _lease = bag.leases.tryAcquire(key);
Deno.stdout.writeSync(new TextEncoder().encode("leased\n"));
await new Promise((resolve) => setTimeout(resolve, 2 ** 31 - 1));
