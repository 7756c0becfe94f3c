// End-to-end: programs that are killed at random moments, whatever they do with a bag, lose nothing
// that they were told of; hundreds of kills are `deno task crash`.
import { assertEquals, assertGreater } from "@std/assert";
import { runKills } from "./kills.ts";
import { TEAMS } from "./_teams.ts";
import { Tool } from "../tools.ts";

const H5PY = Tool.find("python3-h5py");

const KILLS = 24;

/** Named when something fails; what the moments hit differs from run to run all the same. */
const SEED = 20260;

Deno.test(`kill -9 of programs that work with a bag, ${KILLS} times, loses nothing they were told of`, async () => {
  const directory = await Deno.makeTempDir({ prefix: "quiver_crash_" });
  try {
    const { kills, checks, looked, arrays } = await runKills({
      kills: KILLS,
      seed: SEED,
      directory,
    });
    const modes = new Set(TEAMS.flatMap(({ modes }) => modes));
    assertEquals(new Set(Object.keys(kills)), modes, "each kind of work was killed");
    assertGreater(checks, KILLS / 2);
    assertGreater(looked, 10 * KILLS);
    assertEquals(arrays > 0, H5PY.found, "h5py reads the bags where it is there");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

if (!H5PY.found) {
  // A part of the test above: it is named where it is left out.
  Deno.test({
    ...H5PY.forTest("h5py finds every array in the bags of programs that were killed"),
    fn() {},
  });
}
