// Uses a bag of many segments and journals where few files may be open. Arguments: the bag, how many handles.
import { cacheScope, openBag, task } from "@quiver/quiver";

const [path = "", handles = ""] = Deno.args;
const COUNT = 60;

const samples = task(
  import.meta,
  (n: number) => Float64Array.from({ length: 1000 }, (_, index) => n * index),
  { name: "samples" },
);

const bags = [];
for (let writer = 0; writer < Number(handles); writer++) {
  bags.push(await openBag(path, { fold: "manual" }));
}
const [first] = bags;
if (first === undefined) throw new TypeError("no bag");
let wrong = 0;
const warnings = new Set<string>();
for (const round of ["computed", "known"]) {
  for (let n = 0; n < COUNT; n++) {
    const cache = bags[(round === "known" ? n + 1 : n) % bags.length] ?? first;
    await cacheScope({
      cache,
      onWarning: ({ message, cause }) => void warnings.add(`${message}: ${cause}`),
    }, async () => {
      const array = await samples(n);
      if (array[999] !== 999 * n) wrong++;
    });
  }
}
let known = 0;
for (let n = 0; n < COUNT; n++) if (await first.contains(await samples.digest(n))) known++;
for (const bag of bags) await bag.close();
console.log(JSON.stringify({ wrong, known, warnings: [...warnings] }));
