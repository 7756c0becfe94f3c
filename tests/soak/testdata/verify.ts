// Goes over the records of a bag again and again, and checks the digest of each result, until it is
// told to stop; prints how many it has checked. Argument: the bag.
import { openBag } from "@quiver/quiver";
import { digestValue } from "../../../src/value/digest/digest_value.ts";

const [path = ""] = Deno.args;
await using bag = await openBag(path, { mode: "read" });
let checked = 0;
let stopped = false;
void Deno.stdin.read(new Uint8Array(1)).then(() => stopped = true);
do {
  for await (const { key, result } of bag.records()) {
    const found = await bag.value(result);
    if (!found.hit) throw new Error(`The result of ${key} is missing`);
    if (digestValue(found.value) !== result) throw new Error(`The result of ${key} is wrong`);
    checked++;
    // Lets the end be heard.
    if (checked % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    if (stopped) break;
  }
  await new Promise((resolve) => setTimeout(resolve, 0));
} while (!stopped);
console.log(`${checked}`);
