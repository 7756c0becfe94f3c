// End-to-end: four writers in two processes with readers and a folder, in small; the full load and
// hours of it are `deno task soak`.
import { assertEquals, assertGreater } from "@std/assert";
import { FULL_LOAD, runManyWriters } from "./many_writers.ts";

Deno.test("openBag() serves four writers in two processes, readers and a folder at once", async () => {
  const path = await Deno.makeTempDir({ prefix: "quiver_soak_" });
  try {
    const load = { ...FULL_LOAD, small: 600, large: 4 };
    const counts = await runManyWriters(`${path}/results.bag`, load);
    assertEquals(counts.written, 2 * (load.small + load.large));
    for (const name of ["read", "verify", "fold"]) assertGreater(counts[name], 0, name);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});
