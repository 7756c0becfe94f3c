// Storms on each kind of worker, for minutes, each with the next seed: deno task storm --minutes 10 --seed 1
import { parseArgs } from "node:util";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { readChildren, readLocks } from "../leave_nothing.ts";
import { storm } from "./storm.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    minutes: { type: "string", default: "0" },
    seed: { type: "string", default: "1" },
  },
});
const [minutes, first] = [Number(values.minutes), Number(values.seed)];
if (!(minutes >= 0)) throw new RangeError(`Cannot storm for "${values.minutes}" minutes`);
if (!Number.isInteger(first)) throw new RangeError(`Cannot storm with the seed "${values.seed}"`);
const folder = await Deno.makeTempDir({ prefix: "quiver-storm-" });
// What workers leave behind would be there.
Deno.env.set("TMPDIR", folder);
const end = performance.now() + 60_000 * minutes;
for (let seed = first; seed === first || performance.now() < end; seed++) {
  for (const workerType of WORKER_TYPES) {
    // With stops, all calls have a deadline, and so none travels in a chunk.
    for (const stops of workerType === "inline" ? [0] : [0, 6]) {
      const begun = performance.now();
      const options = { workerType, calls: 10_000, faults: 0.01, seed, stops, busy: 5 };
      const { endings, wrong, workers } = await storm(options);
      const seconds = ((performance.now() - begun) / 1000).toFixed(1);
      const megabytes = (Deno.memoryUsage().rss / 1e6).toFixed(0);
      const what = `seed ${seed}, ${workerType}${stops > 0 ? " that stop" : ""}`;
      console.log(`${what}, ${seconds} s, ${megabytes} MB: ${JSON.stringify(endings)}`);
      if (wrong.length > 0) throw new Error(`not as it should be: ${wrong.join("; ")}`);
      if (workers > 0) throw new Error(`${workers} workers are left`);
    }
  }
  const left = [
    ...await readLocks(),
    ...await readChildren(),
    ...[...Deno.readDirSync(folder)].map(({ name }) => name),
  ];
  if (left.length > 0) throw new Error(`seed ${seed} leaves ${left.join(", ")}`);
}
await Deno.remove(folder);
