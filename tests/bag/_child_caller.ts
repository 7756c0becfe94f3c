// A program that makes calls as tasks do: lease, argument, result, record. Arguments and results are
// shared with others; most calls are evicted again. It fails when one of the rest is not whole at
// the end. Arguments: the bag, the name of this writer, how many calls.
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { createPart, toDigest } from "./_values.ts";

const WAIT = 40;

const [path = "", name = "", count = "0"] = Deno.args;
await using bag = await openBagFiles(path, { journalBytes: 100_000, fold: "full" });
const keys: string[] = [];
const evicted = new Set<string>();
for (let n = 0; n < Number(count); n++) {
  const key = toDigest(`${name} ${n}`);
  using _lease = bag.leases.tryAcquire(key);
  const argument = createPart(`argument ${n % 37}`, 3000, "Uint8Array");
  const result = createPart(`result ${n % 211}`, n % 7 === 0 ? 20_000 : 300, "Uint8Array");
  bag.values.putPart(argument);
  // The body runs, and a compaction may come in between.
  if (n % 5 === 0) await new Promise((resolve) => setTimeout(resolve, n % 4));
  bag.values.putPart(result);
  await bag.calls.putLine(key, { argument: argument.digest, result: result.digest });
  keys.push(key);
  const old = keys[n - WAIT];
  if (old === undefined || n % 10 === 0) continue;
  await bag.calls.delete(old);
  evicted.add(old);
}
for (const key of keys) {
  const record = bag.calls.getLine(key);
  const digests = record === undefined ? [] : [record.argument, record.result];
  const whole = digests.length === 2 &&
    digests.every((digest) => typeof digest === "string" && bag.values.load(digest) !== undefined);
  if (whole !== !evicted.has(key)) {
    throw new Error(`Cannot go on: call ${key} is not as it should be`);
  }
}
