// End-to-end: programs that are killed at random moments, whatever they do with a bag, lose nothing
// that they were told of; hundreds of kills are `deno task crash`.
import { assertEquals, assertGreater } from "@std/assert";
import { runKills } from "./kills.ts";
import { TEAMS } from "./_teams.ts";

const KILLS = 42;

/** Named when something fails; what the moments hit differs from run to run all the same. */
const SEED = 20260;

Deno.test(`kill -9 of programs that work with a bag, ${KILLS} times, loses nothing they were told of`, async () => {
  const directory = await Deno.makeTempDir({ prefix: "quiver_crash_" });
  try {
    const { kills, checks, looked } = await runKills({ kills: KILLS, seed: SEED, directory });
    const modes = new Set(TEAMS.flatMap(({ modes }) => modes));
    assertEquals(new Set(Object.keys(kills)), modes, "each kind of work was killed");
    assertGreater(checks, 20);
    assertGreater(looked, 500);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
