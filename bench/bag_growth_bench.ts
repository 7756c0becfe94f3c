// Do puts, hits, misses, opening and folding slow down as a bag grows?
import { type Bag, cacheScope, openBag } from "@quiver/quiver";
import { openLmdbStore, openSqlite } from "./_byte_stores.ts";
import { compare } from "./_compare.ts";
import { fillWithCalls } from "./_large_bag.ts";
import { tiny } from "./_tasks.ts";

const SIZES = [1000, 10_000, 100_000];
const LARGE_SIZE = 1_000_000;

/** The same for each size: what differs is where they lie. */
const HIT_KEYS = 1000;

/** Compares bags of 1,000 to 100,000 calls (with `full`, a million) with SQLite and LMDB. */
export async function run({ full = false }: { full?: boolean } = {}): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "quiver_bench_" });
  try {
    await compareFolds(folder);
    const bags = await createBags(folder, full ? [...SIZES, LARGE_SIZE] : SIZES);
    await compareOpening(bags);
    await compareCalls(folder, bags);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

interface SizedBag {
  readonly size: number;
  readonly path: string;
}

async function createBags(folder: string, sizes: readonly number[]): Promise<SizedBag[]> {
  const bags: SizedBag[] = [];
  for (const size of sizes) {
    const path = `${folder}/${size}`;
    await using bag = await openBag(path);
    await fillWithCalls(bag, size);
    bags.push({ size, path });
  }
  return bags;
}

async function compareFolds(folder: string): Promise<void> {
  console.log("\nFold: values a second (a call has two values)");
  for (const calls of [1000, 10_000, 50_000]) {
    await using bag = await openBag(`${folder}/fold${calls}`, { fold: "manual" });
    await fillWithCalls(bag, calls);
    const begun = performance.now();
    const { values = 0 } = await bag.fold() ?? {};
    const rate = values * 1000 / (performance.now() - begun);
    console.log(`  ${calls} calls: ${Math.round(rate).toLocaleString("en")}/s`);
  }
}

async function compareOpening(bags: readonly SizedBag[]): Promise<void> {
  await compare(
    "Open, and close again",
    bags.map(({ size, path }) => ({
      name: `a bag of ${size.toLocaleString("en")} calls`,
      run: async (calls) => {
        for (let n = 0; n < calls; n++) await (await openBag(path, { mode: "read" })).close();
      },
    })),
    { calls: 5, rounds: 5 },
  );
}

async function compareCalls(folder: string, bags: readonly SizedBag[]): Promise<void> {
  await using open = new AsyncDisposableStack();
  const opened: { size: number; bag: Bag }[] = [];
  for (const { size, path } of bags) {
    opened.push({ size, bag: open.use(await openBag(path, { fold: "manual", memoryBytes: 0 })) });
  }
  const stores = [
    open.use(openSqlite(`${folder}/sqlite`, "process")),
    open.use(openLmdbStore(`${folder}/lmdb`, "process")),
  ];
  const most = Math.max(...bags.map(({ size }) => size));
  const bytes = new Uint8Array(200);
  for (const store of stores) for (let n = 0; n < most; n++) await store.put(`${n}`, bytes);
  const ofBags = (name: string, fn: (n: number, size: number) => unknown) =>
    opened.map(({ size, bag }) => ({
      name: `${name} of ${size.toLocaleString("en")} calls`,
      run: (calls: number) =>
        cacheScope({ cache: bag }, async () => {
          for (let n = 0; n < calls; n++) await fn(n, size);
        }),
    }));
  const ofStores = (name: string, fn: (store: typeof stores[number]) => (n: number) => unknown) =>
    stores.map((store) => ({
      name: `${store.name}, ${name} of ${most.toLocaleString("en")}`,
      run: async (calls: number) => {
        const act = fn(store);
        for (let n = 0; n < calls; n++) await act(n);
      },
    }));
  let next = 0;
  const spread = (size: number) => Math.floor((next++ % HIT_KEYS) * size / HIT_KEYS);
  await compare(`Hits of ${HIT_KEYS} calls all over the bag, values read from the disk`, [
    ...ofBags("bag", (_, size) => tiny(spread(size))),
    ...ofStores("bytes", (store) => () => store.get(`${spread(most)}`)),
  ], { calls: 1000, rounds: 7 });
  await compare("Misses: looking for a call that was never made", [
    ...ofBags("bag", () => tiny.contains(-(++next))),
    ...ofStores("bytes", (store) => () => store.get(`-${++next}`)),
  ], { calls: 1000, rounds: 7 });
  const puts = opened.map(({ size, bag }) => ({
    name: `bag of ${size.toLocaleString("en")} calls`,
    run: async (calls: number) => {
      for (let n = 0; n < calls; n++) await bag.putValue({ n: -(++next) });
    },
  }));
  await compare("Put a small value", [
    ...puts,
    ...ofStores("bytes", (store) => () => store.put(`-${++next}`, bytes)),
  ], { calls: 1000, rounds: 7 });
}

if (import.meta.main) await run({ full: Deno.args.includes("--full") });
