// Collaboration: what is done with a bag is stopped at each of its steps, and nothing is lost. Of long
// scenarios some steps are left out, as are steps that fail or are cut short: all of them are
// `deno task crash --steps`.
import { assert, assertEquals } from "@std/assert";
import { FaultError, FaultyFileSystem } from "../bag/_faulty_file_system.ts";
import { copyBag } from "./_copy_bag.ts";
import { UNSYNCED_DISK } from "../bag/_unsynced_disk.ts";
import { InlineBags } from "./_inline_bags.ts";
import { SCENARIOS } from "./_stop_scenarios.ts";
import { runStops } from "./stops.ts";

for (const scenario of SCENARIOS) {
  // executors 91
  Deno.test(`openBag() loses nothing when a program ends at any step as it ${scenario.name}`, async () => {
    const directory = await Deno.makeTempDir({ prefix: "quiver_stops_" });
    try {
      await runStops(scenario, "stop", directory, scenario.sample);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}

Deno.test("Bag.fold() goes on after a repair of several segments that ended at any step", async () => {
  const directory = await Deno.makeTempDir({ prefix: "quiver_stops_" });
  const repair = SCENARIOS.find(({ mend }) => mend === "repair");
  assert(repair !== undefined);
  const bags = new InlineBags(UNSYNCED_DISK);
  const template = `${directory}/template`;
  await repair.prepare(bags, template, () => {});
  let failed = true;
  for (let at = 0; failed; at += 5) {
    const path = `${directory}/${at}`;
    copyBag(template, path);
    const fileSystem = new FaultyFileSystem("stop", at);
    try {
      await repair.act(bags.on(fileSystem), path, () => {});
    } catch (error) {
      assert(error instanceof FaultError, String(error));
    }
    ({ failed } = fileSystem);
    await using bag = await bags.open(path, { fold: "manual" });
    await bag.putValue(new Float64Array(1000).fill(at));
    assertEquals((await bag.fold())?.journals, 1, `stopped at step ${at}`);
  }
  await Deno.remove(directory, { recursive: true });
});
