// collaboration: forgetting in a bag that has taken all room there is
import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { type Cache, cacheScope, openBag, task } from "@quiver/quiver";
import type { Bag } from "../../src/cache/stored_cache.ts";
import { InlineBags } from "../durability/_inline_bags.ts";
import { Tool } from "../tools.ts";
import { BlockDisk } from "./_block_disk.ts";
import { readBag } from "./_format_reader.ts";
import { loadHdf5Library } from "./_inline_fold_runner.ts";
import { listFiles, TemporaryDirectory } from "./_temporary_directory.ts";

const fill = task(
  import.meta,
  (n: number, size: number) => ({ n, bytes: new Uint8Array(size).fill(n) }),
  { name: "full bag fill", version: 1 },
);

const PYTHON = Tool.find("python3");

const MANUAL = { fold: "manual", memoryBytes: 0 } as const;

/** Makes calls until one is not remembered; tells how many are. */
async function fillUp(bag: Cache, size: number): Promise<number> {
  for (let n = 0;; n++) {
    try {
      await cacheScope({ cache: bag, strict: true }, () => fill(n, size));
    } catch (error) {
      assert(
        error instanceof Error && /No space/.test(`${error.message} ${error.cause}`),
        `${error}`,
      );
      return n;
    }
  }
}

function known(cache: Cache, numbers: readonly number[], size: number): Promise<boolean[]> {
  return cacheScope({ cache }, () => Promise.all(numbers.map((n) => fill.contains(n, size))));
}

/** Bags on a disk of so many blocks. */
async function onDisk(
  blocks: number,
  run: (bag: Bag, disk: BlockDisk, path: string) => Promise<void>,
): Promise<void> {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  const disk = new BlockDisk(blocks);
  const bags = new InlineBags(disk, loadHdf5Library);
  await using bag = await bags.open(path, MANUAL);
  await run(bag, disk, path);
  const { sound, steps } = await bags.verify(path, { digests: true });
  assert(sound, JSON.stringify(steps));
}

for (const size of [10, 3000, 20_000]) {
  Deno.test(`a full bag of ${size} byte values forgets without any room, before a fold`, () =>
    onDisk(60, async (bag, disk) => {
      const count = await fillUp(bag, size);
      assertGreater(count, 5);
      disk.free = 0;
      assertEquals(await bag.evict(fill), count);
      assertEquals(disk.free, 0);
      const { values } = await bag.gc({ gracePeriod: 0 });
      assertGreater(values, count);
      assertGreater(disk.free, 45);
      assertGreater(await fillUp(bag, size), count / 3, "it can be filled again");
    }));

  Deno.test(`a full bag of ${size} byte values forgets without any room, sealed`, () =>
    onDisk(Infinity, async (bag, disk) => {
      await cacheScope({ cache: bag, strict: true }, async () => {
        for (let n = 0; n < 40; n++) await fill(n, size);
      });
      await bag.fold();
      disk.free = 0;
      assertEquals(await bag.evict(fill), 40);
      const { values } = await bag.gc({ gracePeriod: 0 });
      assertGreater(values, 40);
      assertGreater(disk.free, 1);
      disk.free = Infinity;
      await bag.fold();
      assertEquals(await fillUpTo(bag, 40, size), 40);
    }));
}

async function fillUpTo(bag: Cache, count: number, size: number): Promise<number> {
  await cacheScope({ cache: bag, strict: true }, async () => {
    for (let n = 0; n < count; n++) await fill(n, size);
  });
  return (await known(bag, Array.from({ length: count }, (_, n) => n), size))
    .filter((one) => one).length;
}

Deno.test("a full bag's call that is forgotten where it stands is so for all who open it", () =>
  onDisk(Infinity, async (bag, disk, path) => {
    const all = Array.from({ length: 60 }, (_, n) => n);
    await fillUpTo(bag, 60, 10);
    await bag.compact();
    const size = Deno.statSync(`${path}/calls.jsonl`).size;
    disk.free = 0;
    // The last block of the log has room for some.
    const forgotten = all.filter((n) => n % 2 === 0);
    for (const n of forgotten) assertEquals(await bag.evict(await fill.digest(n, 10)), true);
    assertEquals(await bag.evict(await fill.digest(0, 10)), false);
    assert(Deno.statSync(`${path}/calls.jsonl`).size < size + 4096);
    disk.free = Infinity;
    await using other = await openBag(path, { mode: "read" });
    for (const cache of [bag, other]) {
      assertEquals(await known(cache, all, 10), all.map((n) => n % 2 === 1));
      assertEquals((await Array.fromAsync(cache.records())).length, 30);
    }
    if (PYTHON.found) assertEquals(readBag(path).forgotten.length, 30);
    // Made again, it is known again.
    await cacheScope({ cache: bag }, () => fill(0, 10));
    assertEquals(await known(other, [0, 2], 10), [true, false]);
  }));

Deno.test("a full bag that is forgotten in part keeps the rest", () =>
  onDisk(400, async (bag, disk, path) => {
    const size = 20_000;
    const count = await fillUp(bag, size);
    disk.free = 0;
    const all = Array.from({ length: count }, (_, n) => n);
    for (const n of all.filter((n) => n % 8 !== 0)) await bag.evict(await fill.digest(n, size));
    // There is no room to write anew what is kept of the only journal: nothing is lost by that.
    await assertRejects(() => bag.gc({ gracePeriod: 0 }), Error, "No space left");
    assertEquals(await known(bag, all, size), all.map((n) => n % 8 === 0));
    assertEquals(listFiles(path).filter((name) => name.endsWith(".tmp")), []);
    // A tenth of what is taken will do.
    disk.free = 60;
    const { values } = await bag.gc({ gracePeriod: 0 });
    assertGreater(values, count / 2);
    assertGreater(disk.free, 300);
    assertEquals(await known(bag, all, size), all.map((n) => n % 8 === 0));
  }));

Deno.test("a fold and a compaction without room leave nothing behind", () =>
  onDisk(Infinity, async (bag, disk, path) => {
    await fillUpTo(bag, 20, 5000);
    await bag.fold();
    await fillUpTo(bag, 40, 5000);
    // The table of the log may be made, as it takes little.
    const list = () => listFiles(path).filter((name) => /^segments|\.tmp$/.test(name));
    const before = list();
    for (const free of [0, 1, 2, 3, 5, 8, 13, 21]) {
      for (const work of [() => bag.fold(), () => bag.compact({ gracePeriod: 0 })]) {
        disk.free = free;
        try {
          await work();
          continue;
        } catch (error) {
          assert(/No space/.test(`${error}`), `${error}`);
        }
        // Whoever holds a lock says so in its file, which takes a block.
        assert(disk.free >= free - 2, `${free} blocks`);
        assertEquals(list(), before, `${free} blocks`);
      }
    }
    disk.free = Infinity;
    await bag.compact({ gracePeriod: 0 });
    assertEquals(await known(bag, [0, 19, 20, 39], 5000), [true, true, true, true]);
  }));
