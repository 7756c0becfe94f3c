// end-to-end: stacks, pools and read-only views of caches, through tasks and workers
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type Cache,
  cacheScope,
  createMemoryCache,
  currentScope,
  Executor,
  openBag,
  task,
} from "@quiver/quiver";
import { query, readOnly, stack, union } from "@quiver/quiver/caches";
import { TemporaryDirectory } from "../bag/_temporary_directory.ts";
import { square } from "./testdata/limited_tasks.ts";

const local = task(import.meta, (n: number) => ({ n }), { name: "layered local" });

async function call(cache: Cache, ...numbers: readonly number[]): Promise<void> {
  await cacheScope({ cache }, async () => {
    for (const n of numbers) assertEquals(await local(n), { n });
  });
}

function known(cache: Cache, ...numbers: readonly number[]): Promise<boolean[]> {
  return Promise.all(numbers.map(async (n) => await cache.contains(await local.digest(n))));
}

// fleche 26
Deno.test("stack() stores new results in the first and takes old ones from below", async () => {
  const [mine, ours] = [createMemoryCache(), createMemoryCache()];
  await call(ours, 1);
  const cache = stack(mine, ours);
  await call(cache, 1, 2);
  assertEquals(cache.statistics().hits, 1);
  assertEquals(await known(mine, 1, 2), [true, true]);
  assertEquals(await known(ours, 1, 2), [true, false]);
});

// fleche 26
Deno.test("stack() on top of the scope's cache holds until its own scope ends", async () => {
  const [mine, ours] = [createMemoryCache(), createMemoryCache()];
  await cacheScope({ cache: ours }, async () => {
    await local(1);
    const { cache: outer } = currentScope();
    assert(outer !== undefined);
    const old = await cacheScope({ cache: stack(mine, outer) }, async () => {
      await local(2);
      const old = local(1);
      await old;
      return old.hit;
    });
    assert(old);
    await local(3);
  });
  assertEquals(await known(mine, 1, 2, 3), [true, true, false]);
  assertEquals(await known(ours, 1, 2, 3), [true, false, true]);
});

Deno.test("stack() answers what mine has lost from theirs, and gives it back to mine", async () => {
  using directory = new TemporaryDirectory();
  const [mine, theirs] = [`${directory.path}/mine`, `${directory.path}/theirs`];
  for (const path of [mine, theirs]) {
    await using bag = await openBag(path);
    await call(bag, 1, 2);
  }
  const damages = [
    (file: string) => Deno.removeSync(file),
    (file: string) => Deno.truncateSync(file, Math.floor(Deno.statSync(file).size / 2)),
  ];
  for (const damage of damages) {
    for (const { name } of Deno.readDirSync(`${mine}/segments`)) damage(`${mine}/segments/${name}`);
    {
      await using bag = await openBag(mine, { fold: "manual" });
      assertEquals(await known(bag, 1, 2), [false, false]);
      await using ours = await openBag(theirs, { mode: "read" });
      const cache = stack(bag, readOnly(ours));
      await call(cache, 1, 2);
      const { hits, misses } = cache.statistics();
      assertEquals({ hits, misses }, { hits: 2, misses: 0 });
    }
    await using bag = await openBag(mine);
    assertEquals(await known(bag, 1, 2), [true, true]);
  }
});

Deno.test("stack() makes evicted calls run again", async () => {
  const [mine, ours] = [createMemoryCache(), createMemoryCache()];
  await call(ours, 1);
  const cache = stack(mine, ours);
  await call(cache, 1);
  assertEquals(await cache.evict(local), 1);
  assertEquals(await known(cache, 1), [false]);
});

// fleche 39
Deno.test("union() can be read and transferred, but not changed", async () => {
  const caches = [createMemoryCache(), createMemoryCache()] as const;
  await call(caches[0], 1);
  await call(caches[1], 2);
  const cache = union(...caches);
  assertEquals(await known(cache, 1, 2, 3), [true, true, false]);
  await assertRejects(() => cache.evict(local), TypeError, "it is read-only");
  await assertRejects(() => cache.gc(), TypeError, "it is read-only");
  const copy = createMemoryCache();
  assertEquals((await query(cache, local).transfer(copy)).copied, 2);
  assertEquals(await known(copy, 1, 2), [true, true]);
  const warnings: string[] = [];
  await cacheScope({ cache, onWarning: ({ message }) => warnings.push(message) }, async () => {
    assertEquals([await local(1), await local(2), await local(3)], [{ n: 1 }, { n: 2 }, { n: 3 }]);
  });
  assertEquals(warnings.length, 1, "one call is not remembered");
  assertEquals(await known(caches[0], 1, 2, 3), [true, false, false]);
  assertEquals(await known(caches[1], 1, 2, 3), [false, true, false]);
});

Deno.test("readOnly() answers, warns of what is not remembered, and changes nothing", async () => {
  const inner = createMemoryCache();
  await call(inner, 1);
  const warnings: string[] = [];
  const cache = readOnly(inner);
  await cacheScope({ cache, onWarning: ({ message }) => warnings.push(message) }, async () => {
    assertEquals(await local(1), { n: 1 });
    assertEquals(warnings, []);
    assertEquals(await local(2), { n: 2 });
  });
  assertEquals(warnings.length, 1);
  assertEquals(await known(inner, 1, 2), [true, false]);
});

Deno.test("stack() travels to workers, which store in the first", async () => {
  const path = await Deno.makeTempDir();
  {
    await using mine = await openBag(`${path}/mine`);
    await using ours = await openBag(`${path}/ours`);
    await cacheScope({ cache: ours }, () => square(3));
    await using executor = new Executor({ maxWorkers: 1 });
    await cacheScope({ cache: stack(mine, readOnly(ours)) }, async () => {
      const old = executor.submit(square, 3);
      assertEquals([await old, old.hit], [9, true]);
      assertEquals(await executor.submit(square, 4), 16);
    });
    const key = await square.digest(4);
    assertEquals([await mine.contains(key), await ours.contains(key)], [true, false]);
    assert(await mine.contains(await square.digest(3)));
  }
  await Deno.remove(path, { recursive: true });
});

Deno.test("stack(), union() and readOnly() refuse what is no cache", () => {
  // @ts-expect-error: a caller without types.
  assertThrows(() => stack(createMemoryCache(), "results.bag"), TypeError, "string is no cache");
  // @ts-expect-error: a caller without types.
  assertThrows(() => union(undefined), TypeError, 'Cannot combine caches as "union"');
  // @ts-expect-error: a caller without types.
  assertThrows(() => readOnly({}), TypeError, "object is no cache; open one with openBag");
});
