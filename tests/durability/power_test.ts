// end-to-end: states of a disk after a loss of power, as POSIX allows them (deno task crash --power 5000)
import { assertGreater } from "@std/assert";
import { TemporaryDirectory } from "../bag/_temporary_directory.ts";
import { losePower, record } from "./power.ts";

const STATES = 120;

for (const beside of ["nobody", "somebody careless"] as const) {
  Deno.test(`a bag is sound and has all it acknowledged after ${STATES} losses of power, beside ${beside}`, async () => {
    using directory = new TemporaryDirectory();
    const recording = await record(directory.path, beside);
    const options = { states: STATES, seed: 20_260, directory: directory.path };
    assertGreater(await losePower(recording, options), STATES);
  });
}
