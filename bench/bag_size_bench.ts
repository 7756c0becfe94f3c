// What does a put, a hit, a miss of a value cost, from 8 B to 256 MB, beside plain files and peers?
import {
  type ByteStore,
  type Durability,
  fillBytes,
  formatBytes,
  openByteStores,
} from "./_byte_stores.ts";
import { compare } from "./_compare.ts";

const SIZES = [8, 200, 100_000, 8e6];
const LARGE_SIZES = [64e6, 256e6];

/** How many bytes a contender writes or reads in a round, about. */
const ROUND_BYTES = 16e6;
const ROUNDS = 5;
const MOST_CALLS = 300;
/** Larger values are left to those who say that they are for them. */
const PEER_BYTES = 8e6;

/** Compares stores by the size of the value; with `full`, also of 64 and 256 MB. */
export async function run({ full = false }: { full?: boolean } = {}): Promise<void> {
  for (const size of full ? [...SIZES, ...LARGE_SIZES] : SIZES) await compareSize(size, "process");
  for (const size of [200, 8e6]) await compareSize(size, "power");
}

async function compareSize(size: number, durability: Durability): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "quiver_bench_" });
  const all = await openByteStores(folder, durability);
  const stores = size > PEER_BYTES ? all.slice(0, 2) : all;
  const most = durability === "power" ? 20 : MOST_CALLS;
  const calls = Math.max(1, Math.min(most, Math.floor(ROUND_BYTES / size)));
  const name = `${formatBytes(size)}, durability "${durability}"`;
  const bytes = new Uint8Array(size);
  const counts = new Map<ByteStore, number>();
  try {
    await compare(
      `Put ${name}`,
      stores.map((store) => ({
        name: store.name,
        run: async (calls) => {
          const from = counts.get(store) ?? 0;
          for (let n = from; n < from + calls; n++) await store.put(`k${n}`, fillBytes(bytes, n));
          counts.set(store, from + calls);
        },
      })),
      { calls, rounds: ROUNDS },
    );
    if (durability === "process") await compareReads(stores, size, { calls, rounds: ROUNDS });
  } finally {
    for (const store of all) await store[Symbol.asyncDispose]();
    await Deno.remove(folder, { recursive: true });
  }
}

async function compareReads(
  stores: readonly ByteStore[],
  size: number,
  options: { calls: number; rounds: number },
): Promise<void> {
  const read = (key: string) =>
    stores.map((store) => ({
      name: store.name,
      run: async (calls: number) => {
        for (let n = 0; n < calls; n++) await store.get(`${key}${n}`);
      },
    }));
  await compare(`Hit ${formatBytes(size)}`, read("k"), options);
  if (size === 200) await compare(`Miss ${formatBytes(size)}`, read("unknown"), options);
}

if (import.meta.main) await run({ full: Deno.args.includes("--full") });
