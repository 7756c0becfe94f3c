// end-to-end: limited caches, through tasks, handles, workers and processes
import { assert, assertEquals, assertGreater, assertThrows } from "@std/assert";
import { type Cache, cacheScope, createMemoryCache, Executor, openBag, task } from "@quiver/quiver";
import { limited, type LimitOptions, stack } from "@quiver/quiver/caches";
import { fill, square } from "./testdata/limited_tasks.ts";

const local = task(import.meta, (n: number) => n, { name: "limited local" });

async function withCaches(run: (cache: Cache) => Promise<void>): Promise<void> {
  await run(createMemoryCache());
  await withBag(run);
}

async function withBag(run: (bag: Cache, path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempDir();
  {
    await using bag = await openBag(path, { fold: "manual" });
    await run(bag, path);
  }
  await Deno.remove(path, { recursive: true });
}

function known(cache: Cache, numbers: readonly number[]): Promise<boolean[]> {
  return cacheScope({ cache }, () => Promise.all(numbers.map((n) => local.contains(n))));
}

async function call(cache: Cache, numbers: readonly number[]): Promise<void> {
  await cacheScope({ cache }, async () => {
    for (const n of numbers) await local(n);
  });
}

async function count(cache: Cache): Promise<number> {
  return (await Array.fromAsync(cache.records())).length;
}

Deno.test("limited() forgets the least recently used call first", () =>
  withCaches(async (inner) => {
    const cache = limited(inner, { maxItems: 3 });
    await call(cache, [1, 2, 3, 1, 4]);
    assertEquals(await known(inner, [1, 2, 3, 4]), [true, false, true, true]);
    assertEquals(await count(inner), 3);
  }));

Deno.test("limited() counts uses before the first result is stored", () =>
  withCaches(async (inner) => {
    await call(inner, [1, 2, 3]);
    const cache = limited(inner, { maxItems: 3 });
    await call(cache, [1, 4]);
    assertEquals(await known(inner, [1, 2, 3, 4]), [true, false, true, true]);
  }));

Deno.test("limited() with policy fifo forgets the call that was recorded first", () =>
  withCaches(async (inner) => {
    const cache = limited(inner, { maxItems: 3, policy: "fifo" });
    await call(cache, [1, 2, 3, 1, 4]);
    assertEquals(await known(inner, [1, 2, 3, 4]), [false, true, true, true]);
  }));

Deno.test("limited() with policy random keeps as many as there may be", () =>
  withCaches(async (inner) => {
    const cache = limited(inner, { maxItems: 5, policy: "random" });
    await call(cache, Array.from({ length: 40 }, (_, n) => n));
    assertEquals(await count(inner), 5);
  }));

// fleche 41
Deno.test("limited() lets a function select the call that goes", () =>
  withCaches(async (inner) => {
    const seen: number[] = [];
    const cache = limited(inner, {
      maxItems: 2,
      policy: (calls) => {
        const all = [...calls];
        seen.push(all.length);
        assert(all.every(({ bytes, ended }) => bytes > 0 && ended > 0));
        return all.at(-1)?.key ?? "";
      },
    });
    await call(cache, [1, 2, 3, 4]);
    assertEquals(await known(inner, [1, 2, 3, 4]), [true, true, false, false]);
    assertEquals(seen, [3, 3]);
    assertEquals(cache.description, undefined);
  }));

// fleche 41
Deno.test("limited() forgets pre-existing calls too, and holds when many are stored at once", () =>
  withCaches(async (inner) => {
    await call(inner, Array.from({ length: 20 }, (_, n) => n));
    const cache = limited(inner, { maxItems: 4 });
    await call(cache, [100]);
    assertEquals(await count(inner), 4);
    await cacheScope(
      { cache },
      () => Promise.all(Array.from({ length: 30 }, (_, n) => local(200 + n))),
    );
    assertEquals(await count(inner), 4);
  }));

Deno.test("limited() by bytes counts a shared value once", () =>
  withCaches(async (inner) => {
    const cache = limited(inner, { maxBytes: 100_000 });
    const blocks = task(import.meta, (n: number, block: Uint8Array) => ({ n, block }), {
      name: `limited blocks ${crypto.randomUUID()}`,
    });
    await cacheScope({ cache }, async () => {
      const block = new Uint8Array(60_000);
      for (const n of [1, 2, 3, 4]) await blocks(n, block);
      assertEquals(await count(inner), 4);
      await blocks(5, new Uint8Array(60_000).fill(1));
      assertEquals(await count(inner), 1);
      // Larger than all there may be: computed, and not remembered.
      assertEquals((await blocks(6, new Uint8Array(200_000))).n, 6);
      assertEquals(await count(inner), 0);
    });
  }));

// executors 87
Deno.test("limited() by age does not know what is too old", () =>
  withCaches(async (inner) => {
    await call(inner, [1]);
    for await (const record of inner.records()) {
      await inner.putRecord({ ...record, started: Date.now() - 100_000 });
    }
    await call(inner, [2]);
    const cache = limited(inner, { maxAge: 50_000 });
    assertEquals(await known(cache, [1, 2]), [false, true]);
    assertEquals(await count(cache), 1);
    assertEquals(await count(inner), 2);
    await call(cache, [3]);
    assertEquals(await count(inner), 2);
    await call(cache, [1]);
    assertEquals(await known(cache, [1, 2, 3]), [true, true, true]);
    const ends = (await Array.fromAsync(inner.records())).map(({ started }) => started);
    assert(ends.every((end) => end > Date.now() - 50_000), "what was too old is replaced");
  }));

Deno.test("limited() follows what others store and forget", () =>
  withCaches(async (inner) => {
    const [first, second] = [limited(inner, { maxItems: 4 }), limited(inner, { maxItems: 4 })];
    for (let n = 0; n < 20; n++) await call(n % 2 === 0 ? first : second, [n]);
    assertEquals(await count(inner), 4);
    await inner.evict({});
    await call(inner, [50, 51, 52]);
    await call(first, [53]);
    assertEquals(await count(inner), 4);
    await call(second, [54]);
    assertEquals(await known(inner, [50, 51, 52, 53, 54]), [false, true, true, true, true]);
  }));

Deno.test("limited() of a stack takes a call that others have forgotten and stored again for a new one", async () => {
  const inner = stack(createMemoryCache(), createMemoryCache());
  const cache = limited(inner, { maxItems: 3, policy: "fifo" });
  await call(cache, [1, 2, 3]);
  await inner.evict(await local.digest(1));
  await call(inner, [4, 1]);
  await call(cache, [5]);
  assertEquals(await known(inner, [1, 2, 3, 4, 5]), [true, false, false, true, true]);
  await call(cache, [6]);
  assertEquals(await known(inner, [1, 4, 5, 6]), [true, false, true, true]);
});

Deno.test("limited() of a bag holds on workers, and its description says so", async () => {
  await withBag(async (bag) => {
    const cache = limited(limited(bag, { maxBytes: 1e9 }), { maxItems: 6, policy: "fifo" });
    assert(bag.description !== undefined);
    assertEquals<unknown>(cache.description, {
      type: "limited",
      limits: { maxItems: 6, policy: "fifo" },
      stores: { type: "limited", limits: { maxBytes: 1e9 }, stores: bag.description },
    });
    await using executor = new Executor({ maxWorkers: 2 });
    await cacheScope({ cache }, async () => {
      const results = await Array.fromAsync(
        executor.map(square, Array.from({ length: 30 }, (_, n) => n)),
      );
      assertEquals(results.at(-1), 841);
    });
    assertEquals(await count(bag), 6);
  });
});

Deno.test("limited() with a function is enforced where the calls come from", async () => {
  await withBag(async (bag) => {
    const cache = limited(bag, { maxItems: 3, policy: (calls) => [...calls][0]?.key ?? "" });
    await using executor = new Executor({ maxWorkers: 2 });
    await cacheScope({ cache }, async () => {
      await Array.fromAsync(executor.map(square, [1, 2, 3, 4, 5, 6]));
    });
    assertEquals(await count(bag), 3);
  });
});

Deno.test("limited() holds for several processes that store into one bag at once", async () => {
  await withBag(async (bag, path) => {
    const script = new URL("./testdata/limited_writer.ts", import.meta.url).pathname;
    const children = ["a", "b", "c"].map((name) =>
      new Deno.Command(Deno.execPath(), {
        args: ["run", "--allow-read", "--allow-write", script, path, name],
        stdout: "null",
      }).spawn()
    );
    for (const child of children) assertEquals((await child.status).code, 0);
    const left = await count(bag);
    // Two that evict at once may evict one more each.
    assert(left <= 10 && left >= 5, `${left}`);
  });
});

Deno.test("limited() gives the space of a bag back while it runs", async () => {
  await withBag(async (bag, path) => {
    const cache = limited(bag, { maxBytes: 4_000_000, gracePeriod: 0 });
    await cacheScope({ cache }, async () => {
      let calls = 0;
      // The leases of calls tell their time in whole seconds: a fast machine stores all 12 MB before
      // the first of them counts as old, and then the space is given back by a later call.
      for (; calls < 30 || measure(path) >= 10_000_000; calls++) {
        assertGreater(300, calls, `${calls * 0.4} MB were stored, and no space was given back`);
        await fill(calls, 50_000);
      }
      assertEquals(await fill.contains(calls - 1, 50_000), true);
      assertEquals(await fill.contains(0, 50_000), false);
    });
  });
});

const SHAPES: { readonly [shape: string]: (n: number) => number } = {
  "small values": () => 200,
  "large values": () => 25_000,
  "values of any size": (n) => n % 8 === 0 ? 25_000 : 300,
};

for (const [shape, toSize] of Object.entries(SHAPES)) {
  Deno.test(`limited() of a bag keeps its files within the bound, with ${shape}`, async () => {
    const path = await Deno.makeTempDir();
    const maxBytes = 1_000_000;
    let [n, peak] = [0, 0];
    // Programs that each evict less than what is worth a sweep leave garbage all the same; so do two
    // at once.
    for (let program = 0; program < 6; program++) {
      await using one = await openBag(path, { fold: "manual" });
      await using other = await openBag(path, { fold: "manual" });
      const caches = [one, other].map((bag) => limited(bag, { maxBytes, gracePeriod: 0 }));
      for (let stored = 0; stored < 900_000; stored += 8 * toSize(n++)) {
        const cache = caches[n % 2];
        await cacheScope({ ...(cache && { cache }) }, () => fill(n, toSize(n)));
        peak = Math.max(peak, measure(`${path}/segments`) + measure(`${path}/journal`));
      }
    }
    // Twice the limit, and a megabyte that is not worth a sweep.
    assert(peak < 3 * maxBytes, `${peak} bytes`);
    await Deno.remove(path, { recursive: true });
  });
}

Deno.test("limited() rejects options by name", () => {
  const cache = createMemoryCache();
  const misspelled: LimitOptions & { maxSize: number } = { maxSize: 1 };
  assertThrows(() => limited(cache, misspelled), TypeError, '"maxSize" is not an option');
  assertThrows(() => limited(cache, { maxItems: -1 }), RangeError, '"maxItems"');
  assertThrows(() => limited(cache, { maxBytes: NaN }), RangeError, '"maxBytes"');
  const policy: { policy: "lru" } = JSON.parse('{"policy":"mru"}');
  assertThrows(() => limited(cache, policy), TypeError, "`policy`");
});

function measure(path: string): number {
  return [...Deno.readDirSync(path)].reduce(
    (sum, { name, isDirectory }) =>
      sum + (isDirectory ? measure(`${path}/${name}`) : Deno.statSync(`${path}/${name}`).size),
    0,
  );
}
