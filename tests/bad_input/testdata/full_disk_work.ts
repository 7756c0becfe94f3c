// Does one kind of work with a bag on a disk with less and less room, then makes room and does it
// again; prints what came of it at each size. Arguments: the disk, the kind of work.
import { type Bag, cacheScope, openBag } from "@quiver/quiver";
import { InlineBags } from "../../durability/_inline_bags.ts";
import { specimen, toSize } from "../../durability/testdata/specimen.ts";

/** How much room there is, in bytes; a manifest takes one block, a segment of these some. */
const ROOMS = [0, 1, 2, 4, 6, 12, 16, 64].map((n) => n * 4096);

const MANUAL = { fold: "manual", journalBytes: 64 * 1024, memoryBytes: 0 } as const;

const [disk = "", kind = ""] = Deno.args;
const bags = new InlineBags();
const path = `${disk}/bag`;

/** Calls that are acknowledged and not forgotten. */
const known = new Set<number>();
let next = 0;

async function call(bag: Bag): Promise<void> {
  const n = next++;
  await cacheScope({ cache: bag, strict: true }, () => specimen("full", n, toSize(n)));
  known.add(n);
}

async function forget(bag: Bag, n: number): Promise<void> {
  known.delete(n);
  await bag.evict(await specimen.digest("full", n, toSize(n)));
}

async function prepare(bag: Bag): Promise<void> {
  for (let i = 0; i < 8; i++) await call(bag);
  await bag.fold();
  for (const n of [...known].slice(0, 3)) await forget(bag, n);
  for (let i = 0; i < 8; i++) await call(bag);
}

const WORK: Record<string, (bag: Bag) => Promise<unknown>> = {
  async put(bag) {
    for (let i = 0; i < 60; i++) await call(bag);
  },
  fold: (bag) => bag.fold(),
  compact: (bag) => bag.compact({ gracePeriod: 0 }),
  // There is one segment already, so that the rewrite of the log is what takes room.
  rewrite: (bag) => bag.compact({ gracePeriod: 0 }),
};

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

async function countLost(bag: Bag): Promise<number> {
  let lost = 0;
  for (const n of known) if (!await specimenIsKnown(bag, n)) lost++;
  return lost;
}

async function specimenIsKnown(bag: Bag, n: number): Promise<boolean> {
  return await bag.contains(await specimen.digest("full", n, toSize(n)));
}

async function attempt(act: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await act();
    return undefined;
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : "";
    return `${error instanceof Error ? error.message : error} ${cause}`;
  }
}

async function countLostBesides(): Promise<number> {
  await using bag = await bags.open(path, { mode: "read", memoryBytes: 0 });
  return await countLost(bag);
}

for (const room of ROOMS) {
  known.clear();
  const work = WORK[kind];
  if (work === undefined) throw new TypeError(`Cannot work: "${kind}" is no kind`);
  {
    // The last one as users do, with folds in a worker.
    const open = room === ROOMS.at(5) ? openBag : bags.open.bind(bags);
    await using bag = await open(path, MANUAL);
    await prepare(bag);
    if (kind === "rewrite") {
      await bag.compact({ gracePeriod: 0 });
      const forgotten = [...known].slice(0, 4);
      for (let i = 0; i < 30; i++) for (const n of forgotten) await recall(bag, n);
    }
    fill(room);
    const error = await attempt(() => work(bag));
    const lost = await countLost(bag) + await countLostBesides();
    await Deno.remove(`${disk}/filler`);
    const again = await attempt(() => work(bag));
    const after = await countLost(bag);
    await bag.fold();
    const { sound, steps } = await bags.verify(path, { digests: true });
    const problems = steps.flatMap(({ findings }) => findings.map(({ problem }) => problem));
    console.log(JSON.stringify({ room, error, lost, again, after, sound, problems }));
  }
  await Deno.remove(path, { recursive: true });
}

/** Forgets a call and makes it again, which leaves two dead lines in the log. */
async function recall(bag: Bag, n: number): Promise<void> {
  await bag.evict(await specimen.digest("full", n, toSize(n)));
  await cacheScope({ cache: bag, strict: true }, () => specimen("full", n, toSize(n)));
}
