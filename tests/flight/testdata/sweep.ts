// Makes 1,000 calls in an order of its own on 4 workers, when it is told to. Arguments: the bag, the
// directory of the runs, and what the order begins with.
import { cacheScope, Executor, openBag } from "@quiver/quiver";
import { counted } from "./tasks.ts";

const [path = "", directory = "", seed = "1"] = Deno.args;
await using bag = await openBag(path, { fold: "manual" });
await using executor = new Executor({ maxWorkers: 4 });
const order = Array.from({ length: 1000 }, (_, n) => n);
let state = Number(seed);
for (let n = order.length - 1; n > 0; n--) {
  state = (state * 48271) % 2147483647;
  const other = state % (n + 1);
  [order[n], order[other]] = [order[other] ?? 0, order[n] ?? 0];
}
console.log("ready");
await Deno.stdin.read(new Uint8Array(1));
await cacheScope({ cache: bag, strict: true }, async () => {
  const futures = order.map((n) => executor.submit(counted, n, directory));
  const wrong = (await Promise.all(futures)).filter((value, at) => value !== 2 * (order[at] ?? -1));
  console.log(JSON.stringify({ wrong }));
});
