// Storms on each kind of worker, for minutes, each with the next seed: deno task storm --minutes 10 --seed 1
import { parseArgs } from "node:util";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
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
const end = performance.now() + 60_000 * minutes;
for (let seed = first; seed === first || performance.now() < end; seed++) {
  for (const workerType of WORKER_TYPES) {
    const begun = performance.now();
    const { endings, wrong, workers } = await storm({
      workerType,
      calls: 10_000,
      faults: 0.01,
      seed,
    });
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    const megabytes = (Deno.memoryUsage().rss / 1e6).toFixed(0);
    console.log(
      `seed ${seed}, ${workerType}, ${seconds} s, ${megabytes} MB: ${JSON.stringify(endings)}`,
    );
    if (wrong.length > 0) throw new Error(`calls ended as they should not: ${wrong.join("; ")}`);
    if (workers > 0) throw new Error(`${workers} workers are left`);
  }
}
