// end-to-end: results that go between compressed and plain bags
import { assert, assertEquals, assertLess } from "@std/assert";
import { type Bag, cacheScope, openBag, task } from "@quiver/quiver";
import { query, stack, union } from "@quiver/quiver/caches";
import { listFiles } from "../bag/_temporary_directory.ts";

const ramp = task(
  import.meta,
  (n: number) => ({ steps: Float64Array.from({ length: 50_000 }, (_, i) => Math.floor(i / n)), n }),
  { name: "compressed ramp" },
);

const NUMBERS = [100, 200, 300];
const GZIP = { compression: { gzip: 6 } };

async function check(bag: Bag): Promise<void> {
  await cacheScope({ cache: bag }, async () => {
    for (const n of NUMBERS) {
      const { steps } = await ramp.load(n);
      assert(steps.length === 50_000 && steps.every((step, i) => step === Math.floor(i / n)));
    }
  });
}

function measure(path: string): number {
  return listFiles(`${path}/segments`)
    .reduce((sum, name) => sum + Deno.statSync(`${path}/segments/${name}`).size, 0);
}

/** The content of all segments, whatever their names. */
function readSegments(path: string): Uint8Array[] {
  return listFiles(`${path}/segments`).filter((name) => name.endsWith(".h5"))
    .map((name) => Deno.readFileSync(`${path}/segments/${name}`));
}

// fleche 58
Deno.test("query().transfer() between compressed and plain bags gives each its own form", async () => {
  const path = await Deno.makeTempDir();
  const [plain, gzip, back] = [`${path}/plain`, `${path}/gzip`, `${path}/back`];
  {
    await using from = await openBag(plain);
    await cacheScope({ cache: from }, () => Promise.all(NUMBERS.map((n) => ramp(n))));
  }
  const steps: readonly [string, string, typeof GZIP | undefined][] = [
    [plain, gzip, GZIP],
    // The same once more: nothing is compressed, or stored, twice.
    [plain, gzip, GZIP],
    // Who opens it need not know that it is compressed.
    [plain, gzip, undefined],
    [gzip, back, undefined],
  ];
  const sizes: number[] = [];
  for (const [from, to, options] of steps) {
    {
      await using source = await openBag(from, { mode: "read" });
      await using target = await openBag(to, options);
      const { copied } = await query(source).transfer(target, { overwrite: true });
      assertEquals(copied, 3);
      await check(target);
    }
    await using reader = await openBag(to, { mode: "read" });
    await check(reader);
    assertEquals(await query(reader).count(), 3);
    sizes.push(measure(to));
  }
  const [first = 0, second, third, plainAgain] = sizes;
  assertEquals([second, third], [first, first]);
  assertLess(first, measure(plain) / 4);
  assertEquals(plainAgain, measure(plain));
  await Deno.remove(path, { recursive: true });
});

// fleche 58
Deno.test("Bag.compact() of a compressed bag may be repeated", async () => {
  const path = await Deno.makeTempDir();
  {
    await using bag = await openBag(path, { ...GZIP, fold: "manual" });
    for (const n of NUMBERS) {
      await cacheScope({ cache: bag }, () => ramp(n));
      await bag.fold();
    }
    await bag.compact({ gracePeriod: 0 });
    await check(bag);
    const once = readSegments(path);
    assertEquals(once.length, 1);
    await bag.compact({ gracePeriod: 0 });
    await check(bag);
    assertEquals(readSegments(path), once);
  }
  await Deno.remove(path, { recursive: true });
});

// fleche 58
Deno.test("stack() and union() of a compressed and a plain bag answer from either", async () => {
  const path = await Deno.makeTempDir();
  {
    await using plain = await openBag(`${path}/plain`, { fold: "manual" });
    await using gzip = await openBag(`${path}/gzip`, { ...GZIP, fold: "manual" });
    await cacheScope({ cache: plain }, () => ramp(100));
    await cacheScope({ cache: gzip }, () => Promise.all([ramp(200), ramp(300)]));
    await plain.fold();
    await gzip.fold();
    for (const cache of [union(plain, gzip), stack(plain, gzip), stack(gzip, plain)]) {
      await cacheScope({ cache }, async () => {
        for (const n of NUMBERS) assertEquals((await ramp.load(n)).steps[2 * n], 2);
      });
    }
    // What a stack has copied up is in both by now.
    for (const bag of [plain, gzip]) {
      await bag.fold();
      await check(bag);
    }
  }
  await Deno.remove(path, { recursive: true });
});
