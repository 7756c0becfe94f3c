// A program that writes to a bag and prints each number when its value and record are acknowledged.
// Arguments: the bag, the name of this writer, how many to write (it goes on for ever without).
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { createPart, toDigest } from "./_values.ts";

const [path = "", name = "", count = "Infinity"] = Deno.args;
await using bag = await openBagFiles(path, { journalBytes: 100_000 });
const encoder = new TextEncoder();
for (let n = 0; n < Number(count); n++) {
  const part = createPart(`${name} ${n}`, n % 50 === 0 ? 20_000 : 200, "Uint8Array");
  bag.values.putPart(part);
  const key = toDigest(`${name} ${n}`);
  bag.calls.putLine(key, { key, result: part.digest });
  Deno.stdout.writeSync(encoder.encode(`${n}\n`));
  // Lets the fold in the background go on.
  if (n % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
}
