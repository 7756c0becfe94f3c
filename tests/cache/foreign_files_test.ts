// end-to-end: caches on disk in whose directories somebody keeps files of his own
import { assertEquals } from "@std/assert";
import { cacheScope, openBag, task } from "@quiver/quiver";
import { openFileCache, openSqliteCache, query } from "@quiver/quiver/caches";
import { listFiles } from "../bag/_temporary_directory.ts";

const grow = task(import.meta, (n: number, size: number) => new Float64Array(size).fill(n), {
  name: "foreign grow",
});

/** Files of somebody else, in every directory of a bag; some look almost like ours. */
const FOREIGN = [
  "README.md",
  "notes.tmp",
  "results.h5",
  "calls.jsonl.bak",
  "segments/mine.h5",
  "segments/mine.index",
  "segments/000001.h5.bak",
  "segments/notes.tmp",
  "journal/notes.txt",
  "journal/mine-1.bak",
  "leases/notes.txt",
  "touches/notes.txt",
  "locks/notes.txt",
  "plots/one.svg",
];

function writeForeign(path: string, names: readonly string[]): void {
  for (const name of names) {
    Deno.mkdirSync(`${path}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true });
    Deno.writeTextFileSync(`${path}/${name}`, `mine: ${name}`);
    // So old that of ours it would be one that a killed program has left.
    Deno.utimeSync(`${path}/${name}`, 1000, 1000);
  }
}

function readForeign(path: string, names: readonly string[]): string[] {
  return names.map((name) => Deno.readTextFileSync(`${path}/${name}`));
}

// fleche 59
Deno.test("openBag() and all that tidies a bag leave the files of others alone", async () => {
  const path = `${await Deno.makeTempDir()}/results.bag`;
  const fill = async (bag: Awaited<ReturnType<typeof openBag>>, first: number) => {
    await cacheScope({ cache: bag }, async () => {
      for (let n = first; n < first + 4; n++) assertEquals((await grow(n, 2000))[1], n);
    });
    await bag.fold();
  };
  {
    await using bag = await openBag(path);
    await fill(bag, 0);
  }
  writeForeign(path, FOREIGN);
  const mine = readForeign(path, FOREIGN);
  {
    await using bag = await openBag(path, { fold: "manual" });
    await fill(bag, 10);
    assertEquals(bag.statistics().storage?.journals, 0);
    assertEquals(await bag.evict({ task: grow, before: Date.now() + 1 }), 8);
    await fill(bag, 20);
    assertEquals((await bag.gc({ gracePeriod: 0 })).values, 16);
    await bag.compact({ gracePeriod: 0 });
    assertEquals((await bag.verify()).sound, true);
    assertEquals((await bag.verify({ repair: true })).sound, true);
    assertEquals(readForeign(path, FOREIGN), mine);
  }
  await using bag = await openBag(path);
  await fill(bag, 20);
  assertEquals(bag.statistics().misses, 0);
  assertEquals(readForeign(path, FOREIGN), mine);
  await Deno.remove(path, { recursive: true });
});

// fleche 59
Deno.test("Bag.gc() leaves no file of segments whose values nobody needs", async () => {
  const path = `${await Deno.makeTempDir()}/results.bag`;
  {
    await using bag = await openBag(path, { fold: "manual" });
    await cacheScope({ cache: bag }, async () => {
      await grow(1, 100_000);
      await bag.fold();
      await grow(2, 10_000);
      await bag.fold();
    });
    const segments = () => listFiles(`${path}/segments`).filter((name) => name.endsWith(".h5"));
    assertEquals(segments().length, 2);
    await bag.evict(await grow.digest(1, 100_000));
    await bag.gc({ gracePeriod: 0 });
    assertEquals(segments().length, 1);
    await bag.evict(grow);
    await bag.gc({ gracePeriod: 0 });
    assertEquals(listFiles(`${path}/segments`), []);
    await using reader = await openBag(path, { mode: "read" });
    assertEquals(await query(reader).count(), 0);
    assertEquals((await bag.verify()).sound, true);
  }
  await Deno.remove(path, { recursive: true });
});

// fleche 59
Deno.test("openFileCache() and openSqliteCache() leave the files of others alone", async () => {
  const path = await Deno.makeTempDir();
  const foreign = ["notes.txt", "values/notes.txt", "values/00/notes", "calls/notes.json"];
  const beside = ["cache.db.txt", "notes.tmp"];
  await (await openFileCache(`${path}/files`)).close();
  writeForeign(`${path}/files`, foreign);
  writeForeign(path, beside);
  for (const open of [openFileCache, openSqliteCache]) {
    for (const runs of [1, 0]) {
      await using cache = await open(`${path}/${open === openFileCache ? "files" : "cache.db"}`);
      await cacheScope({ cache }, () => grow(5, 1000));
      assertEquals(cache.statistics().misses, runs);
      assertEquals(await query(cache, grow).count(), 1);
    }
  }
  assertEquals(
    [...readForeign(`${path}/files`, foreign), ...readForeign(path, beside)],
    [...foreign, ...beside].map((name) => `mine: ${name}`),
  );
  await Deno.remove(path, { recursive: true });
});
