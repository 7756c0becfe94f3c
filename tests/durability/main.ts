// Kills programs that work with bags, at random moments: deno task crash --kills 400 --seed 1
// With --power 5000 it makes so many states that a disk may have after a loss of power, and opens each.
// With --steps it lets each step of what is done with a bag fail, be cut short, and be the last.
import { parseArgs } from "node:util";
import { SCENARIOS } from "./_stop_scenarios.ts";
import { runKills } from "./kills.ts";
import { losePower, record } from "./power.ts";
import { runStops } from "./stops.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    kills: { type: "string", default: "400" },
    seed: { type: "string" },
    steps: { type: "boolean", default: false },
    power: { type: "string", default: "0" },
  },
});
const kills = Number(values.kills);
const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9));
if (!(kills >= 0)) throw new RangeError(`Cannot kill "${values.kills}" programs`);
if (!Number.isInteger(seed)) throw new RangeError(`Cannot begin with the seed "${values.seed}"`);
const losses = Number(values.power);
if (!(losses >= 0)) throw new RangeError(`Cannot let the power fail "${values.power}" times`);
const directory = await Deno.makeTempDir({ prefix: "quiver_crash_" });
const begun = performance.now();
console.log(`seed ${seed}; the bags are in ${directory} and stay there if something is wrong`);
if (values.steps) {
  for (const fault of ["stop", "error", "short"] as const) {
    for (const scenario of SCENARIOS) {
      const path = `${directory}/${fault} as it ${scenario.name}`;
      const steps = await runStops(scenario, fault, path);
      console.log(`${fault} at each of ${steps} steps as it ${scenario.name}: nothing was lost`);
    }
  }
}
for (const beside of losses > 0 ? ["nobody", "somebody careless"] as const : []) {
  const path = `${directory}/power beside ${beside}`;
  await Deno.mkdir(path);
  const recording = await record(path, beside);
  const looked = await losePower(recording, { states: losses, seed, directory: path });
  console.log(`${looked} calls were looked up after ${losses} losses of power: nothing was lost`);
}
const counts = await runKills({ kills, seed, directory });
await Deno.remove(directory, { recursive: true });
const seconds = ((performance.now() - begun) / 1000).toFixed(1);
console.log(`nothing was lost, in ${seconds} s: ${JSON.stringify(counts)}`);
