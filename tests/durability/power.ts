import { assert, assertEquals } from "@std/assert";
import type { DiskBag } from "../../src/bag/disk_bag.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import type { VerifyStep } from "../../src/bag/verify/report.ts";
import { BagFormatError } from "../../src/base/errors.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { toDigest } from "../bag/_values.ts";
import { InlineFoldRunner } from "../bag/_inline_fold_runner.ts";
import { UNSYNCED_DISK } from "../bag/_unsynced_disk.ts";
import { verify } from "../store/_small_bag.ts";
import {
  createRandom,
  type Fate,
  RecordingDisk,
  toDiskState,
  writeDiskState,
} from "./_power_states.ts";

/** Something that was acknowledged, and after which step. */
interface Acknowledged {
  readonly name: string;
  readonly step: number;
  /** After which step it was forgotten on purpose, if it was. */
  forgotten: number;
}

/** A program that worked with a bag, and what it was told. */
interface Recording {
  /** Whether somebody works beside it who syncs nothing. */
  readonly careless: boolean;
  readonly disk: RecordingDisk;
  readonly root: string;
  readonly acknowledged: readonly Acknowledged[];
}

const SIZES = [30, 5000, 40_000];

function toValue(name: string) {
  const size = SIZES[name.length % SIZES.length] ?? 30;
  return encodeValue(Uint8Array.from({ length: size }, (_, i) => name.charCodeAt(i % name.length)));
}

/**
 * Puts values and calls, folds, compacts, forgets and collects.
 *
 * @param beside Whether one works beside it who syncs nothing.
 */
export async function record(
  directory: string,
  beside: "nobody" | "somebody careless",
): Promise<Recording> {
  const disk = new RecordingDisk();
  const root = `${directory}/bag`;
  const environment = { fileSystem: disk, runner: new InlineFoldRunner(disk) };
  const acknowledged: Acknowledged[] = [];
  const put = (bag: DiskBag, name: string, told = true) => {
    const part = toValue(name);
    bag.values.putPart(part);
    bag.calls.putLine(toDigest(name), { result: part.digest });
    if (told) acknowledged.push({ name, step: disk.steps.length, forgotten: Infinity });
  };
  const forget = (bag: DiskBag, name: string) => {
    for (const one of acknowledged) if (one.name === name) one.forgotten = disk.steps.length;
    bag.calls.delete(toDigest(name));
  };
  const options = { fold: "manual", durability: "power", journalBytes: 64 * 1024 } as const;
  const bag = await openBagFiles(root, options, environment);
  const careless = beside === "nobody"
    ? undefined
    : await openBagFiles(root, { ...options, durability: "process" }, environment);
  for (const name of ["a", "bb", "ccc", "dddd"]) put(bag, name);
  // Known from the journal of somebody who has not synced it.
  for (const name of ["e", "ff", "ggg"]) {
    if (careless !== undefined) {
      put(careless, name, false);
      assert(bag.values.load(toValue(name).digest) !== undefined);
    }
    put(bag, name);
  }
  await bag.fold();
  put(bag, "hhhh");
  if (careless !== undefined) put(careless, "i", false);
  await (careless ?? bag).fold();
  put(bag, "i");
  forget(bag, "bb");
  const live = acknowledged.filter(({ forgotten }) => forgotten === Infinity)
    .map(({ name }) => toValue(name).digest);
  await bag.compact({ live, horizon: await bag.horizon(0), full: true });
  for (const name of ["jj", "a", "bb"]) put(bag, name);
  await bag.close();
  await careless?.close();
  return { careless: careless !== undefined, disk, root, acknowledged };
}

/** Fates from "nothing has happened" to "all has", and whatever lies between. */
function toFate(random: () => number): Fate {
  const [likely, whole, zeroed] = [random() * 1.4 - 0.2, random(), random()];
  return {
    happens: () => random() < likely,
    share: () => random() < whole ? 1 : random(),
    zeros: () => random() < zeroed,
  };
}

/**
 * Lets the power fail at random moments, and looks whether all is there that was acknowledged.
 *
 * @param states How often.
 * @returns How many acknowledged calls were looked up.
 */
export async function losePower(
  { careless, disk, root, acknowledged }: Recording,
  { states, seed, directory }: {
    readonly states: number;
    readonly seed: number;
    readonly directory: string;
  },
): Promise<number> {
  let looked = 0;
  for (let state = 0; state < states; state++) {
    const random = createRandom(seed + 7919 * (state + 1));
    for (let warm = 0; warm < 8; warm++) random();
    const step = Math.floor(random() * (disk.steps.length + 1));
    const context = `seed ${seed}, state ${state}: power was lost after step ${step}`;
    const target = `${directory}/${state}`;
    await Deno.mkdir(target);
    const left = toDiskState(disk.steps.slice(0, step), toFate(random));
    writeDiskState(left, root, `${target}/bag`);
    const problems = await listProblems(`${target}/bag`);
    // Only what was acknowledged without being synced may be missed, or be in a segment alone.
    const allowed = careless ? ["manifest", "link file", "records"] : [];
    const found = problems.filter(({ name }) => !allowed.includes(name));
    assertEquals(found, [], `${context}: the bag is not sound`);
    const environment = { fileSystem: UNSYNCED_DISK, runner: new InlineFoldRunner() };
    const open = async () => {
      try {
        return await openBagFiles(`${target}/bag`, { fold: "manual" }, environment);
      } catch (cause) {
        throw new Error(`${context}: the bag cannot be opened: ${cause}`, { cause });
      }
    };
    for (const when of ["opened", "folded"]) {
      await using bag = await open();
      const expected = new Map(acknowledged.map((one) => [one.name, one]));
      for (const { name } of expected.values()) {
        const told = acknowledged.some((one) =>
          one.name === name && one.step <= step && step < one.forgotten
        );
        if (!told) continue;
        looked++;
        const { digest, bytes } = toValue(name);
        assertEquals(
          bag.calls.getLine(toDigest(name))?.result,
          digest,
          `${context}, ${when}: the record of "${name}"`,
        );
        const payload = bag.values.load(digest);
        assert(payload !== undefined, `${context}, ${when}: the value of "${name}" is gone`);
        assertEquals(payload.bytes, bytes, `${context}, ${when}: the value of "${name}"`);
      }
      if (when === "opened") await bag.fold();
    }
    await Deno.remove(target, { recursive: true });
  }
  return looked;
}

/** The steps of a check that find something wrong. */
async function listProblems(path: string): Promise<readonly VerifyStep[]> {
  try {
    return (await verify(path)).steps.filter(({ problems }) => problems > 0);
  } catch (error) {
    // Its creator had not come far.
    if (error instanceof BagFormatError && error.message.includes("no bag.json")) return [];
    throw error;
  }
}
