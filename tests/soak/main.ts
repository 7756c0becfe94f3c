// Lets many writers, readers, folders, compactions and gc use one bag, for minutes: deno task soak --minutes 10
import { parseArgs } from "node:util";
import { FULL_LOAD, runManyWriters } from "./many_writers.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: { minutes: { type: "string", default: "0" } },
});
const minutes = Number(values.minutes);
if (!(minutes >= 0)) throw new RangeError(`Cannot soak for "${values.minutes}" minutes`);
const end = performance.now() + 60_000 * minutes;
for (let round = 1; round === 1 || performance.now() < end; round++) {
  const path = await Deno.makeTempDir({ prefix: "quiver_soak_" });
  const begun = performance.now();
  try {
    const counts = await runManyWriters(`${path}/results.bag`, FULL_LOAD);
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    console.log(`round ${round}, ${seconds} s: ${JSON.stringify(counts)}`);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}
