// end-to-end: states of a disk after a loss of power, as POSIX allows them (deno task crash --power 5000)
import { assertEquals, assertGreater } from "@std/assert";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { InlineFoldRunner } from "../bag/_inline_fold_runner.ts";
import { TemporaryDirectory } from "../bag/_temporary_directory.ts";
import { toDigest } from "../bag/_values.ts";
import { verify } from "../store/_small_bag.ts";
import { RecordingDisk, toDiskState, writeDiskState } from "./_power_states.ts";
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

Deno.test("a log that becomes shorter is sound whenever power is lost, whichever name is lost", async () => {
  using directory = new TemporaryDirectory();
  const root = `${directory.path}/bag`;
  const disk = new RecordingDisk();
  const environment = { fileSystem: disk, runner: new InlineFoldRunner(disk) };
  let begin = 0;
  {
    await using bag = await openBagFiles(
      root,
      { fold: "manual", durability: "power" },
      environment,
    );
    const part = encodeValue(new Uint8Array(100));
    bag.values.putPart(part);
    const [kept = "", ...forgotten] = [..."abcdefgh"].map(toDigest);
    for (const key of [kept, ...forgotten]) bag.calls.putLine(key, { result: part.digest });
    // Its table names all of them.
    await bag.compact({ full: true });
    for (const key of forgotten) await bag.calls.delete(key);
    begin = disk.steps.length;
    await bag.compact({ full: true });
  }
  for (let step = begin; step <= disk.steps.length; step++) {
    let unsynced = 0;
    for (let lost = 0; lost === 0 || lost < unsynced; lost++) {
      let index = 0;
      const happens = () => index++ !== lost;
      const fate = { happens, share: () => 1, zeros: () => false };
      const target = `${directory.path}/${step}_${lost}`;
      Deno.mkdirSync(target);
      writeDiskState(toDiskState(disk.steps.slice(0, step), fate), root, `${target}/bag`);
      unsynced = index;
      const { sound, missed, steps } = await verify(`${target}/bag`);
      const findings = steps.flatMap((each) => each.findings);
      assertEquals([sound, missed, findings], [true, 0, []], `after step ${step}, without ${lost}`);
    }
  }
});
