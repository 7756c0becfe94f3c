import { assertEquals } from "@std/assert";
import { type Bag, cacheScope, openBag } from "@quiver/quiver";
import { Program } from "../flight/_program.ts";
import { computeDatum, datum } from "./testdata/datum.ts";

/** A result that a writer was told is safe. */
export interface Written {
  /** The first argument of the call. */
  readonly name: string;
  /** The second argument of the call. */
  readonly length: number;
}

/** What disturbers see of the writers. */
export interface Stage {
  /** The bag. */
  readonly path: string;
  /** What is acknowledged so far. */
  readonly written: readonly Written[];
  /** Waits until more is acknowledged; tells whether writers still write. */
  more(): Promise<boolean>;
}

/** Does something with the bag while others write, and tells how often it did. */
export type Disturber = (stage: Stage) => Promise<number>;

/** Checks one result. */
export async function checkWritten({ name, length }: Written): Promise<void> {
  const found = await datum.load(name, length);
  // Arrays of millions are compared as bytes: an assertion would take minutes for them.
  const expected = computeDatum(name, length);
  const same = found.length === length && found.every((element, i) => element === expected[i]);
  assertEquals([name, same], [name, true]);
}

/** Reads what is acknowledged, newest first and at random, through a handle that only reads. */
async function read({ path, written, more }: Stage): Promise<number> {
  let reads = 0;
  await more();
  await using bag = await openBag(path, { mode: "read" });
  await cacheScope({ cache: bag, strict: true }, async () => {
    while (await more()) {
      const random = written[Math.floor(Math.random() * written.length)];
      for (const item of [written.at(-1), random]) {
        if (item === undefined) continue;
        await checkWritten(item);
        reads++;
      }
    }
  });
  return reads;
}

/** Checks all records again and again in a process of its own. */
async function verify({ path, more }: Stage): Promise<number> {
  await more();
  await using program = new Program("verify", [path], import.meta.url);
  while (await more());
  await program.go();
  const [checked] = await program.rest();
  assertEquals(await program.success(), true);
  return Number(checked);
}

/** Repeats something with a handle of its own. */
function repeat(act: (bag: Bag) => Promise<unknown>): Disturber {
  return async ({ path, more }) => {
    let times = 0;
    await using bag = await openBag(path, { fold: "manual" });
    while (await more()) {
      await act(bag);
      times++;
    }
    return times;
  };
}

/** All disturbers by name. */
export const DISTURBERS: Readonly<Record<string, Disturber>> = {
  read,
  verify,
  fold: repeat((bag) => bag.fold()),
  compact: repeat((bag) => bag.compact()),
  // Without grace: nothing but what calls in flight have stored is kept for its age.
  gc: repeat((bag) => bag.gc({ gracePeriod: 0 })),
};
