// Contract: whatever was done with a bag and its backups before, the newest backup has what the bag has.
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { cacheScope, task } from "@quiver/quiver";
import { InlineBags } from "../durability/_inline_bags.ts";
import { FaultError, FaultyFileSystem } from "./_faulty_file_system.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { UNSYNCED_DISK } from "./_unsynced_disk.ts";

const BAGS = new InlineBags(UNSYNCED_DISK);
const MANUAL = { fold: "manual", memoryBytes: 0 } as const;

/** How many different calls there are. */
const CALLS = 8;

const fill = task(import.meta, (n: number) => new Float64Array(600 + n).fill(n), { name: "fill" });

/** What is done to a bag or one of its two backups. */
type Step =
  | { readonly type: "call" | "evict"; readonly n: number }
  | { readonly type: "fold" | "gc" | "compact" | "reopen" | "repair" }
  | { readonly type: "backup"; readonly to: number; readonly links: boolean }
  | { readonly type: "stopped"; readonly to: number; readonly at: number }
  | { readonly type: "restore"; readonly to: number };

const TO = fc.nat(1);
const STEP: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant("call"), n: fc.nat(CALLS - 1) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("evict"), n: fc.nat(CALLS - 1) }) },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constantFrom("fold", "gc", "compact", "reopen", "repair") }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant("backup"), to: TO, links: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("stopped"), to: TO, at: fc.nat(40) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("restore"), to: TO }) },
);

/** Which calls a bag has; it is whole. */
async function findCalls(path: string, fold = false): Promise<Set<number>> {
  const { sound, missed, steps } = await BAGS.verify(path, { digests: true });
  const found = steps.flatMap(({ findings }) => findings);
  assertEquals([sound, missed, found], [true, 0, []]);
  await using bag = await BAGS.open(path, fold ? MANUAL : { mode: "read", memoryBytes: 0 });
  if (fold) await bag.fold();
  const known = new Set<number>();
  for (let n = 0; n < CALLS; n++) if ((await bag.lookup(await fill.digest(n))).hit) known.add(n);
  return known;
}

async function follow(path: string, steps: readonly Step[]): Promise<void> {
  const root = `${path}/bag`;
  let bag = await BAGS.open(root, MANUAL);
  const known = new Set<number>();
  /** What is in each backup that is whole. */
  const backups = new Map<number, Set<number>>();
  try {
    for (const step of steps) {
      if (step.type === "call") {
        await cacheScope({ cache: bag, strict: true }, () => fill(step.n));
        known.add(step.n);
      } else if (step.type === "evict") {
        await bag.evict(await fill.digest(step.n));
        known.delete(step.n);
      } else if (step.type === "fold") await bag.fold();
      else if (step.type === "gc" || step.type === "compact") {
        await bag[step.type]({ gracePeriod: 0 });
      } else if (step.type === "backup") {
        const target = `${path}/${step.to}`;
        const { calls } = await BAGS.backUp(root, target, { links: step.links });
        assertEquals([calls, await findCalls(target)], [known.size, known]);
        backups.set(step.to, new Set(known));
      } else if (step.type === "stopped") {
        const target = `${path}/${step.to}`;
        const before = backups.get(step.to);
        try {
          await BAGS.on(new FaultyFileSystem("stop", step.at)).backUp(root, target);
        } catch (error) {
          if (!(error instanceof FaultError || error instanceof SuppressedError)) throw error;
        }
        if (before === undefined) continue;
        const found = await findCalls(target);
        for (const n of before) assertEquals(found.has(n) || !known.has(n), true, `${n} is lost`);
        backups.set(step.to, found);
      } else if (step.type === "restore") {
        const before = backups.get(step.to);
        if (before !== undefined) {
          assertEquals(await findCalls(`${path}/${step.to}`, true), before);
        }
      } else {
        await bag.close();
        if (step.type === "repair") {
          Deno.writeTextFileSync(`${root}/manifest.json`, "damaged");
          await BAGS.verify(root, { repair: true });
        }
        bag = await BAGS.open(root, MANUAL);
      }
    }
    for (const to of [0, 1]) {
      await BAGS.backUp(root, `${path}/${to}`);
      assertEquals(await findCalls(`${path}/${to}`), known);
    }
  } finally {
    await bag.close();
  }
}

Deno.test("Bag.backup() has what the bag has, whatever was done with both before", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(STEP, { minLength: 4, maxLength: 16 }), async (steps) => {
      using directory = new TemporaryDirectory();
      await follow(directory.path, steps);
    }),
    { numRuns: 12 },
  );
});
