// Fills a disk with calls, forgets most of them, and goes on; prints what came of it. Arguments: the disk,
// how large results are in bytes.
import { cacheScope, openBag, task } from "@quiver/quiver";

const fill = task(
  import.meta,
  (n: number, size: number) => ({ n, bytes: new Uint8Array(size).fill(n) }),
  { name: "full disk fill", version: 1 },
);

const [disk = "", bytes = "0"] = Deno.args;
const size = Number(bytes);
await using bag = await openBag(`${disk}/bag`, { fold: "manual" });

/** Makes calls until one is not remembered; tells how many are. */
async function fillUp(from: number): Promise<number> {
  for (let n = from;; n++) {
    try {
      await cacheScope({ cache: bag, strict: true }, () => fill(n, size));
    } catch (error) {
      if (!`${error} ${Reflect.get(Object(error), "cause")}`.includes("No space left")) throw error;
      return n - from;
    }
  }
}

const first = await fillUp(0);
const evicted = await bag.evict(fill);
const { values } = await bag.gc({ gracePeriod: 0 });
const second = await fillUp(10_000);
// What is forgotten in part needs room for what is kept.
await Deno.remove(`${disk}/filler`);
let forgotten = 0;
for (let n = 10_000; n < 10_000 + second; n++) {
  if (n % 4 !== 0 && await bag.evict(await fill.digest(n, size))) forgotten++;
}
const again = await bag.gc({ gracePeriod: 0 });
const kept = await cacheScope({ cache: bag }, async () => {
  let kept = 0;
  for (let n = 10_000; n < 10_000 + second; n += 4) if (await fill.contains(n, size)) kept++;
  return kept;
});
console.log(
  JSON.stringify({ first, evicted, values, second, forgotten, again: again.values, kept }),
);
