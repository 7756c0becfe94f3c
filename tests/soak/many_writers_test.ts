// End-to-end: four writers in two processes with readers, folds, compactions and collections of
// garbage, in small; the full load and hours of it are `deno task soak`.
import { assertEquals, assertGreater } from "@std/assert";
import { DISTURBERS } from "./disturbers.ts";
import { FULL_LOAD, runManyWriters } from "./many_writers.ts";

Deno.test("openBag() serves four writers in two processes, readers, a folder and compactions at once", async () => {
  const path = await Deno.makeTempDir({ prefix: "quiver_soak_" });
  try {
    const load = { ...FULL_LOAD, small: 600, large: 4 };
    const counts = await runManyWriters(`${path}/results.bag`, load);
    assertEquals(counts.written, 2 * (load.small + load.large));
    for (const name of Object.keys(DISTURBERS)) assertGreater(counts[name], 0, name);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});
