// Collaboration: a backup that is stopped at each of its steps, or has each of them fail, and what the
// directory is then: a bag with what was in it or with what is, or none yet.
import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { BagFormatError, cacheScope } from "@quiver/quiver";
import type { BackupResult } from "../../src/bag/backup/backup_options.ts";
import type { FileSystem } from "../../src/disk/file_system.ts";
import { type Fault, FaultError, FaultyFileSystem } from "../bag/_faulty_file_system.ts";
import { listFiles, TemporaryDirectory } from "../bag/_temporary_directory.ts";
import { UNSYNCED_DISK } from "../bag/_unsynced_disk.ts";
import { copyBag } from "./_copy_bag.ts";
import { InlineBags } from "./_inline_bags.ts";
import { specimen } from "./testdata/specimen.ts";

const BAGS = new InlineBags(UNSYNCED_DISK);
const MANUAL = { fold: "manual", memoryBytes: 0 } as const;
const NAME = "backup";

function toSize(n: number): number {
  return n % 2 === 0 ? 1000 : 5;
}

async function call(path: string, ns: readonly number[], fold: boolean): Promise<void> {
  await using bag = await BAGS.open(path, MANUAL);
  for (const n of ns) {
    await cacheScope({ cache: bag, strict: true }, () => specimen(NAME, n, toSize(n)));
  }
  if (fold) await bag.fold();
}

function backUp(
  root: string,
  directory: string,
  fileSystem: FileSystem = UNSYNCED_DISK,
  links = true,
): Promise<BackupResult> {
  return BAGS.on(fileSystem).backUp(root, directory, { links });
}

/** Which calls a bag has, all of which are whole. */
async function findCalls(path: string, fold = false): Promise<Set<number>> {
  const { sound, steps, missed } = await BAGS.verify(path, { digests: true });
  const problems = steps.flatMap(({ findings }) => findings);
  assertEquals([sound, missed, problems], [true, 0, []]);
  await using bag = await BAGS.open(path, fold ? MANUAL : { mode: "read", memoryBytes: 0 });
  if (fold) await bag.fold();
  const found = new Set<number>();
  for (let n = 0; n < 12; n++) {
    if ((await bag.lookup(await specimen.digest(NAME, n, toSize(n)))).hit) found.add(n);
  }
  return found;
}

/** What happens to a bag between its older backup and the one that is stopped. */
interface Story {
  readonly name: string;
  /** What the older backup has; there is none without it. */
  readonly before?: readonly number[];
  /** What is new. */
  readonly after: readonly number[];
  /** What the bag has forgotten meanwhile. */
  readonly forgotten?: readonly number[];
  readonly steps: number;
  change(root: string, directory: string): Promise<void>;
}

const STORIES: readonly Story[] = [
  {
    name: "the first",
    after: [0, 1, 2, 3, 4],
    steps: 25,
    async change(root) {
      await call(root, [0, 1], true);
      await call(root, [2], true);
      await call(root, [3, 4], false);
    },
  },
  {
    name: "one onto an older one",
    before: [0, 1, 2],
    after: [0, 1, 2, 3, 4, 5],
    steps: 25,
    async change(root) {
      await call(root, [3, 4], true);
      await call(root, [5], false);
    },
  },
  {
    name: "one after calls were forgotten and all was compacted",
    before: [0, 1, 2],
    after: [1, 2, 3, 4],
    forgotten: [0],
    steps: 30,
    async change(root) {
      await call(root, [3], false);
      await using bag = await BAGS.open(root, MANUAL);
      await bag.evict(await specimen.digest(NAME, 0, toSize(0)));
      await bag.compact({ gracePeriod: 0 });
      await call(root, [4], false);
    },
  },
  {
    name: "one onto an older one that was opened and folded as a bag",
    before: [0, 1, 2],
    after: [0, 1, 2, 3, 4],
    steps: 25,
    async change(root, directory) {
      await call(directory, [], true);
      await call(root, [3], true);
      await call(root, [4], false);
    },
  },
];

async function prepare({ before, change }: Story, root: string, directory: string): Promise<void> {
  if (before !== undefined) {
    await call(root, before.slice(0, -1), true);
    await call(root, before.slice(-1), false);
    await backUp(root, directory);
    assertEquals(await findCalls(directory), new Set(before));
  }
  await change(root, directory);
}

function isFault(error: unknown): boolean {
  return error instanceof FaultError ||
    error instanceof SuppressedError && isFault(error.error) && isFault(error.suppressed);
}

for (const [i, story] of STORIES.entries()) {
  for (const fault of ["stop", "error", "short"] as const satisfies readonly Fault[]) {
    Deno.test(`Bag.backup() leaves a whole bag or none whatever step has this: ${fault}; ${story.name}`, async () => {
      using directory = new TemporaryDirectory();
      const { path } = directory;
      await prepare(story, `${path}/bag`, `${path}/template`);
      const { before, after, forgotten = [] } = story;
      const kept = before?.filter((n) => !forgotten.includes(n));
      // What the stories have in common sees every step stop twice.
      const stride = fault === "stop" ? 2 : 4;
      for (let at = i % stride;; at += stride) {
        const target = `${path}/${at}`;
        if (before !== undefined) copyBag(`${path}/template`, target);
        // The bag is changed, too: it gets something that its backups know it by.
        const root = `${path}/bag-${at}`;
        copyBag(`${path}/bag`, root);
        const disk = new FaultyFileSystem(fault, at);
        try {
          await backUp(root, target, disk, at % 4 < 2);
        } catch (error) {
          assert(isFault(error), error instanceof Error ? error.stack : String(error));
        }
        const context = `at step ${at}`;
        const isThere = isBag(target);
        if (before === undefined && !isThere) {
          await assertRejects(() => BAGS.open(target, { mode: "read" }), BagFormatError);
        } else {
          const found = await findCalls(target);
          for (const n of kept ?? after) assert(found.has(n), `${context}: ${n} is lost`);
          assertEquals([...found].filter((n) => ![...after, ...forgotten].includes(n)), []);
          if (!disk.failed) assertEquals(found, new Set(after));
          // Whoever restores what a stopped one has left folds it.
          if (at % 3 === 0) assertEquals(await findCalls(target, true), found, context);
        }
        await backUp(root, target);
        assertEquals(await findCalls(target), new Set(after), context);
        assertEquals(listFiles(target).filter((name) => name.endsWith(".tmp")), [], context);
        const again = await backUp(root, target);
        assertEquals([again.copied, again.linked, again.removed], [0, 0, 0], context);
        for (const one of [root, target]) Deno.removeSync(one, { recursive: true });
        if (disk.failed) continue;
        assertGreater(disk.steps, story.steps, "so few steps prove nothing");
        break;
      }
    });
  }
}

function isBag(path: string): boolean {
  try {
    return Deno.statSync(`${path}/bag.json`).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
