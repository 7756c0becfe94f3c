import { assert, assertEquals } from "@std/assert";
import { BagFormatError } from "@quiver/quiver";
import { listFiles } from "../bag/_temporary_directory.ts";
import type { CheckCounts } from "./_check_worker.ts";
import type { Expectations } from "./_expectations.ts";
import type { Hdf5Reader } from "./_hdf5_reader.ts";
import type { InlineBags } from "./_inline_bags.ts";
import type { Team } from "./_teams.ts";

/** What checks work with, and what they count. */
export interface Checks {
  readonly bags: InlineBags;
  /** Absent where there is no h5py. */
  readonly reader: Hdf5Reader | undefined;
  readonly counts: CheckCounts;
}

/** Checks a bag, or a directory of bags, whose users were killed. */
export async function checkAfterKill(
  checks: Checks,
  team: Team,
  path: string,
  expectations: Expectations,
): Promise<void> {
  if (team.many !== true) return await checkBag(checks, team, path, expectations);
  const there = isThere(path) ? Array.from(Deno.readDirSync(path), ({ name }) => name) : [];
  const names = new Set([...there, ...expectations.labels]);
  for (const name of names) {
    await checkBag(checks, team, `${path}/${name}`, expectations.only(name));
  }
}

async function checkBag(
  checks: Checks,
  { mend, isBackup }: Team,
  path: string,
  expectations: Expectations,
): Promise<void> {
  const { bags, counts } = checks;
  counts.checks++;
  counts.looked += expectations.promised;
  if (await isNoBagYet(checks, path)) {
    assertEquals(expectations.promised, 0);
    if (isBackup) return;
  } else {
    if (mend === "repair") {
      const { sound, steps } = await bags.verify(path, { repair: true });
      assert(sound, `it cannot be repaired: ${JSON.stringify(steps)}`);
    } else if (mend === "open") await (await bags.open(path, { fold: "manual" })).close();
    await readArrays(checks, path);
    await verify(checks, path);
    await using bag = await bags.open(path, { mode: "read", memoryBytes: 0 });
    await expectations.check(bag);
  }
  {
    await using bag = await bags.open(path, { fold: "manual", memoryBytes: 0 });
    await expectations.check(bag);
    await bag.fold();
    await expectations.check(bag);
  }
  assertEquals(await verify(checks, path), [], "a fold leaves nothing unfinished");
  for (const directory of ["journal", "leases"]) {
    assertEquals(listFiles(`${path}/${directory}`), [], directory);
  }
  const found = await readArrays(checks, path);
  if (found !== undefined) {
    const missing = expectations.arrays.difference(new Set(found));
    assertEquals(missing.size, 0, "h5py does not find all arrays");
  }
}

/** Whether a bag's first creator was killed before it was one. */
async function isNoBagYet({ bags }: Checks, path: string): Promise<boolean> {
  try {
    await (await bags.open(path, { mode: "read" })).close();
    return false;
  } catch (error) {
    if (error instanceof BagFormatError && error.message.includes("it has no bag.json")) {
      return true;
    }
    // A manifest is damaged on purpose; whoever repairs sees to it.
    if (error instanceof Error && error.name === "BagCorruptError") return false;
    throw error;
  }
}

/** Checks that a bag is sound, and names the steps in which something is left for the next fold. */
async function verify({ bags, counts }: Checks, path: string): Promise<string[]> {
  const { sound, steps, misses } = await bags.verify(path, { digests: true });
  const found = JSON.stringify(steps.filter(({ problems }) => problems > 0));
  assertEquals([sound, found, misses], [true, "[]", []]);
  counts.unfinished += steps.reduce((sum, { unfinished }) => sum + unfinished, 0);
  // A torn line stays in the log, and the table of another log beside it, until they are rewritten.
  return steps.filter(({ name, unfinished }) =>
    unfinished > 0 && !["log", "tables", "files"].includes(name)
  )
    .map(({ name }) => name);
}

async function readArrays(
  { reader, counts }: Checks,
  path: string,
): Promise<readonly string[] | undefined> {
  const content = await reader?.read(path);
  counts.arrays += content?.all ?? 0;
  return content?.live;
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
