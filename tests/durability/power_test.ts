// end-to-end: states of a disk after a loss of power, as POSIX allows them (deno task crash --power 5000)
import { assertGreater } from "@std/assert";
import { TemporaryDirectory } from "../bag/_temporary_directory.ts";
import { losePower, record } from "./power.ts";

const STATES = 200;

Deno.test(`a bag with durability: power has all it acknowledged after ${STATES} losses of power`, async () => {
  using directory = new TemporaryDirectory();
  const recording = await record(directory.path);
  const options = { states: STATES, seed: 20_260, directory: directory.path };
  assertGreater(await losePower(recording, options), STATES);
});
