// Collaboration: states of a disk after a loss of power while a bag is backed up to it, as POSIX allows
// them.
import { assert, assertEquals, assertGreater } from "@std/assert";
import { cacheScope } from "@quiver/quiver";
import { lookAt } from "../../src/disk/file_system.ts";
import { TemporaryDirectory } from "../bag/_temporary_directory.ts";
import { UNSYNCED_DISK } from "../bag/_unsynced_disk.ts";
import { InlineBags } from "./_inline_bags.ts";
import {
  createRandom,
  type Fate,
  RecordingDisk,
  toDiskState,
  writeDiskState,
} from "./_power_states.ts";
import { specimen, toSize } from "./testdata/specimen.ts";

const STATES = 150;

/** Named when something fails. */
const SEED = 4711;

const BAGS = new InlineBags(UNSYNCED_DISK);
const NAME = "power";

/** A backup that was complete, after which step. */
interface Complete {
  readonly step: number;
  readonly calls: readonly number[];
}

async function record(root: string, target: string, disk: RecordingDisk): Promise<Complete[]> {
  await using bag = await BAGS.open(root, { fold: "manual", memoryBytes: 0 });
  const complete: Complete[] = [];
  const call = (n: number) =>
    cacheScope({ cache: bag, strict: true }, () => specimen(NAME, n, toSize(n)));
  const backUp = async (...calls: number[]) => {
    await BAGS.on(disk).backUp(root, target, { links: false });
    complete.push({ step: disk.steps.length, calls });
  };
  for (const n of [0, 1]) await call(n);
  await bag.fold();
  await call(2);
  await backUp(0, 1, 2);
  await call(3);
  await backUp(0, 1, 2, 3);
  await call(4);
  await bag.evict(await specimen.digest(NAME, 0, toSize(0)));
  await bag.compact({ gracePeriod: 0 });
  await call(5);
  await backUp(1, 2, 3, 4, 5);
  return complete;
}

function toFate(random: () => number): Fate {
  const [likely, whole, zeroed] = [random() * 1.4 - 0.2, random(), random()];
  return {
    happens: () => random() < likely,
    share: () => random() < whole ? 1 : random(),
    zeros: () => random() < zeroed,
  };
}

async function findCalls(path: string): Promise<number[]> {
  await using bag = await BAGS.open(path, { mode: "read", memoryBytes: 0 });
  const found: number[] = [];
  for (let n = 0; n < 6; n++) {
    const key = await specimen.digest(NAME, n, toSize(n));
    const hit = (await bag.lookup(key)).hit;
    assertEquals(hit, await bag.record(key) !== undefined, `the value of ${n} is lost`);
    if (hit) found.push(n);
  }
  return found;
}

Deno.test(`a backup is whole after ${STATES} losses of power`, async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  const disk = new RecordingDisk();
  const complete = await record(`${path}/bag`, `${path}/to/backup`, disk);
  let whole = 0;
  for (let state = 0; state < STATES; state++) {
    const random = createRandom(SEED + 7919 * (state + 1));
    for (let warm = 0; warm < 8; warm++) random();
    const step = Math.floor(random() * (disk.steps.length + 1));
    const context = `seed ${SEED}, state ${state}: power was lost after step ${step}`;
    const target = `${path}/${state}`;
    Deno.mkdirSync(target);
    const left = toDiskState(disk.steps.slice(0, step), toFate(random));
    writeDiskState(left, `${path}/to`, target);
    const backup = `${target}/backup`;
    const before = complete.findLast((one) => one.step <= step);
    if (lookAt(`${backup}/bag.json`) === undefined) assert(before === undefined, context);
    else {
      const found = await findCalls(backup);
      const [first] = complete;
      // What was in the one that was complete last; the last one of all forgets a call.
      for (const n of (before ?? first)?.calls ?? []) {
        assert(n === 0 || found.includes(n), `${context}: ${n} is lost`);
      }
      whole++;
    }
    // The next one goes on from there, whatever is left.
    if (state % 5 === 0 && lookAt(`${backup}/backup.json`) !== undefined) {
      const { calls } = await BAGS.backUp(`${path}/bag`, backup);
      assertEquals([calls, await findCalls(backup)], [5, [1, 2, 3, 4, 5]], context);
    }
    Deno.removeSync(target, { recursive: true });
  }
  assertGreater(whole, STATES / 3);
});
