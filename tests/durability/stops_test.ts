// Collaboration: what is done with a bag is stopped at each of its steps, and nothing is lost. Of long
// scenarios some steps are left out, as are steps that fail or are cut short: all of them are
// `deno task crash --steps`.
import { SCENARIOS } from "./_stop_scenarios.ts";
import { runStops } from "./stops.ts";

for (const scenario of SCENARIOS) {
  Deno.test(`openBag() loses nothing when a program ends at any step as it ${scenario.name}`, async () => {
    const directory = await Deno.makeTempDir({ prefix: "quiver_stops_" });
    try {
      await runStops(scenario, "stop", directory, scenario.sample);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}
