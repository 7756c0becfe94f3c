// Backs up a bag to a disk with less and less room, then makes room and does it again; prints what came
// of it at each size. Arguments: the disk, and a directory on another one.
import { cacheScope } from "@quiver/quiver";
import { InlineBags } from "../../durability/_inline_bags.ts";
import { specimen } from "../../durability/testdata/specimen.ts";

/** How much room there is, in bytes. */
const ROOMS = [0, 1, 2, 4, 8, 12, 16, 24].map((n) => n * 4096);

const SIZE = 2000;

const [disk = "", directory = ""] = Deno.args;
const bags = new InlineBags();
const [root, target] = [`${directory}/bag`, `${disk}/backup`];

async function call(ns: readonly number[], fold: boolean): Promise<void> {
  await using bag = await bags.open(root, { fold: "manual", memoryBytes: 0 });
  for (const n of ns) {
    await cacheScope({ cache: bag, strict: true }, () => specimen("full", n, SIZE));
  }
  if (fold) await bag.fold();
}

/** Takes all room but some. */
function fill(room: number): void {
  using file = Deno.openSync(`${disk}/filler`, { write: true, create: true });
  const block = new Uint8Array(4096);
  let size = 0;
  try {
    for (;;) size += file.writeSync(block);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
  }
  file.truncateSync(Math.max(0, size - room));
}

async function attempt(): Promise<{ linked?: number; error?: string }> {
  try {
    const { linked } = await bags.backUp(root, target);
    return { linked };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

/** How many of so many calls the backup has, and whether it is sound. */
async function look(count: number): Promise<{ known: number; sound: boolean }> {
  const { sound } = await bags.verify(target, { digests: true });
  await using bag = await bags.open(target, { mode: "read", memoryBytes: 0 });
  let known = 0;
  for (let n = 0; n < count; n++) {
    if ((await bag.lookup(await specimen.digest("full", n, SIZE))).hit) known++;
  }
  return { known, sound };
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const reports: unknown[] = [];
await call([0, 1], true);
for (const [i, room] of ROOMS.entries()) {
  // A first backup, and then one onto the one before.
  const before = isThere(`${target}/bag.json`) ? await look(2 + 2 * i) : undefined;
  await call([2 + 2 * i], i % 2 === 0);
  await call([3 + 2 * i], i % 3 === 0);
  fill(room);
  const { error } = await attempt();
  const after = isThere(`${target}/bag.json`) ? await look(4 + 2 * i) : undefined;
  Deno.removeSync(`${disk}/filler`);
  const { linked, error: again } = i % 2 === 1 ? await attempt() : { linked: 0 };
  reports.push({ count: 4 + 2 * i, before, error, after, linked, again });
}
await attempt();
console.log(JSON.stringify({ reports, end: await look(2 + 2 * ROOMS.length) }));
