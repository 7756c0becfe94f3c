// Does a bag stay fast when it is large? deno task scale [--calls=1000000] [--gigabytes=2]
import { cacheScope, openBag } from "@quiver/quiver";
import { query } from "@quiver/quiver/caches";
import { fillWithArrays, fillWithCalls } from "./_large_bag.ts";
import type { FirstHit } from "./_scale_child.ts";
import { tiny } from "./_tasks.ts";

const RUNS = 5;
const WARM_KEYS = 1000;
const WARM_ROUNDS = 200;
const FOLDED = 100_000;
const CHILD = new URL("./_scale_child.ts", import.meta.url);
const CONFIGURATION = new URL("../deno.json", import.meta.url);

const { calls, gigabytes } = readArguments();
const folder = await Deno.makeTempDir({ prefix: "quiver_scale_" });
const failed: string[] = [];
try {
  await createEmptyBag("empty");
  await compareCalls();
  await measureFold();
  await compareArrays();
} finally {
  await Deno.remove(folder, { recursive: true });
}
console.log(failed.length === 0 ? "\nAll claims hold." : `\nNot so: ${failed.join("; ")}`);
Deno.exit(failed.length === 0 ? 0 : 1);

function readArguments(): { calls: number; gigabytes: number } {
  const given = new Map(Deno.args.map((argument) => {
    const [name = "", value] = argument.replace(/^--/, "").split("=");
    return [name, Number(value)];
  }));
  return { calls: given.get("calls") ?? 1e6, gigabytes: given.get("gigabytes") ?? 2 };
}

function claim(text: string, value: number, limit: number, unit: string): void {
  const holds = value <= limit;
  if (!holds) failed.push(text);
  const shown = `${value.toPrecision(3)} ${unit}`.padStart(12);
  console.log(`  ${holds ? "ok" : "NO"}  ${shown}  (at most ${limit} ${unit})  ${text}`);
}

async function createEmptyBag(name: string): Promise<void> {
  await using _bag = await openBag(`${folder}/${name}`);
}

async function createBag(name: string, count: number): Promise<void> {
  const begun = performance.now();
  {
    await using bag = await openBag(`${folder}/${name}`);
    await fillWithCalls(bag, count, (done) => {
      if (done % 100_000 === 0) console.log(`  ${done} calls were put`);
    });
  }
  const seconds = (performance.now() - begun) / 1000;
  console.log(`  ${count} calls were put and sealed in ${seconds.toFixed(1)} s`);
}

async function openInChild(name: string, call?: number): Promise<FirstHit> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      `--config=${CONFIGURATION.pathname}`,
      "--allow-read",
      CHILD.href,
      `${folder}/${name}`,
      ...call === undefined ? [] : [String(call)],
    ],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`Cannot open "${name}" in another process`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

async function openOften(name: string, calls?: number): Promise<FirstHit[]> {
  const results: FirstHit[] = [];
  for (let run = 0; run < RUNS; run++) {
    results.push(await openInChild(name, calls && Math.floor((run + 0.5) * calls / RUNS)));
  }
  return results;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

async function compareCalls(): Promise<void> {
  console.log(`\n${calls} calls with small results`);
  await createBag("small", WARM_KEYS);
  await createBag("large", calls);
  const small = await openOften("small", WARM_KEYS);
  const large = await openOften("large", calls);
  const total = (runs: FirstHit[]) => median(runs.map(({ open, hit = 0 }) => open + hit));
  console.log(`  open + first hit of ${WARM_KEYS} calls: ${total(small).toFixed(1)} ms`);
  claim("open + first hit", total(large), 300, "ms");
  claim("memory after the first hit", median(large.map(({ rss }) => rss)) / 1e6, 250, "MB");
  await compareWarmHits();
  await measureQueries();
}

async function measureQueries(): Promise<void> {
  const first: number[] = [];
  const counted: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    await using large = await openBag(`${folder}/large`, { mode: "read" });
    const begun = performance.now();
    await query(large, { task: "tiny" }).first();
    first.push(performance.now() - begun);
    const since = performance.now();
    const count = await query(large, { task: "tiny" }).count();
    counted.push((performance.now() - since) / 1000);
    if (count !== calls) throw new Error(`Cannot count all of ${calls} calls: found ${count}`);
  }
  claim("first record of a query", median(first), 50, "ms");
  claim("count by task, a million calls", median(counted) * 1e6 / calls, 1, "s");
}

async function compareWarmHits(): Promise<void> {
  await using small = await openBag(`${folder}/small`, { mode: "read" });
  await using large = await openBag(`${folder}/large`, { mode: "read" });
  const keys = Array.from({ length: WARM_KEYS }, (_, n) => n);
  const spread = keys.map((n) => Math.floor(n * calls / WARM_KEYS));
  const rounds = [{ cache: small, keys }, { cache: large, keys: spread }].map((contender) => ({
    ...contender,
    times: new Array<number>(),
  }));
  for (let round = 0; round < WARM_ROUNDS; round++) {
    for (const { cache, keys, times } of rounds) {
      await cacheScope({ cache }, async () => {
        const begun = performance.now();
        for (const n of keys) await tiny(n);
        times.push((performance.now() - begun) * 1000 / WARM_KEYS);
      });
    }
  }
  const [few = NaN, many = NaN] = rounds.map(({ times }) => median(times));
  const [first = NaN, other = NaN] = rounds.map(({ times }) => times[0] ?? NaN);
  console.log(`  first hits of ${WARM_KEYS} keys: ${first.toFixed(1)} and ${other.toFixed(1)} µs`);
  console.log(`  warm hits: ${few.toFixed(2)} µs of ${WARM_KEYS} calls, ${many.toFixed(2)} of all`);
  claim("warm hits, times those of a small bag", many / few, 1.5, "×");
}

async function measureFold(): Promise<void> {
  console.log(`\nFold of ${FOLDED} calls`);
  await using bag = await openBag(`${folder}/fold`, { fold: "manual" });
  await fillWithCalls(bag, FOLDED);
  const begun = performance.now();
  const { values = 0 } = await bag.fold() ?? {};
  const seconds = (performance.now() - begun) / 1000;
  console.log(`  ${Math.round(values / seconds).toLocaleString("en")} values/s`);
  claim("time for 20,000 values", seconds * 20_000 / values, 1, "s");
  let n = 0;
  for (const { key } of await Array.fromAsync(bag.records())) {
    if (n++ % 2 === 0) await bag.evict(key);
  }
  const since = performance.now();
  await bag.gc({ gracePeriod: 0 });
  claim("gc, half of the calls forgotten", (performance.now() - since) / 1000, 3, "s");
}

async function compareArrays(): Promise<void> {
  console.log(`\n${gigabytes} GB of arrays`);
  const begun = performance.now();
  await fillWithArrays(`${folder}/arrays`, gigabytes * 1e9);
  const seconds = (performance.now() - begun) / 1000;
  let bytes = 0;
  for (const { name } of Deno.readDirSync(`${folder}/arrays/segments`)) {
    bytes += Deno.statSync(`${folder}/arrays/segments/${name}`).size;
  }
  console.log(`  ${(bytes / 1e9).toFixed(2)} GB are sealed after ${seconds.toFixed(1)} s`);
  const empty = median((await openOften("empty")).map(({ open }) => open));
  const arrays = median((await openOften("arrays")).map(({ open }) => open));
  console.log(`  open: ${empty.toFixed(1)} ms empty, ${arrays.toFixed(1)} ms with the arrays`);
  // A segment of 64 MB costs about 20 µs: its table is opened, and must be of the size it says.
  claim("open, times that of an empty bag", arrays / empty, 1.5, "×");
}
