// How fast is a map over a million tiny items, and how much memory does it take?
import { Executor, type WorkerType } from "@quiver/quiver";
import { type Claim, claimRate, printClaims } from "./_claims.ts";
import { compare, type Contender } from "./_compare.ts";
import { OpenPeers, THREAD_PEERS } from "./_peers.ts";
import { printPython } from "./_python.ts";
import { RawWorkers } from "./_raw_workers.ts";
import { half } from "./_tasks.ts";

const ITEMS = 1e6;
const CHUNK = 4096;
/** How much more memory the second million may take at its peak, in MB. */
const GROWTH = 32;

/** Compares maps. */
export async function run(): Promise<Claim[]> {
  return [await measureMemory(), ...await compareMaps()];
}

async function compareMaps(): Promise<Claim[]> {
  using raw = new RawWorkers(2);
  await using web = new Executor({ maxWorkers: 2, idleTimeout: 600_000 });
  await using process = new Executor({
    maxWorkers: 2,
    workerType: "process",
    idleTimeout: 600_000,
  });
  await using peers = new OpenPeers(THREAD_PEERS, 2);
  const chunk = Array.from({ length: CHUNK }, (_, n) => n);
  const measured = await compare("map over a million tiny items, two workers", [
    {
      name: `raw postMessage of ${CHUNK} at once (baseline)`,
      run: (calls) => raw.flood(Math.ceil(calls / CHUNK), chunk),
    },
    mapWith("Quiver, web", web),
    mapWith("Quiver, process", process),
    ...peers.map((name, peer): Contender => ({
      name: `${name}, chunks of ${CHUNK} by hand`,
      run: (calls) =>
        Promise.all(
          Array.from({ length: Math.ceil(calls / CHUNK) }, () => peer.call("halves", chunk)),
        ),
    })),
    ...peers.map((name, peer): Contender => ({
      name: `${name}, one by one`,
      run: (calls) => Promise.all(Array.from({ length: calls }, (_, n) => peer.call("half", n))),
      calls: 2000,
    })),
  ], { calls: ITEMS, rounds: 5, show: "rate" });
  await printPython("map");
  const text = "map over 1 M tiny items, two web workers";
  return [claimRate({ text, name: "Quiver, web", measured }, 500_000)];
}

function mapWith(name: string, executor: Executor): Contender {
  return {
    name,
    run: async (calls) => {
      let count = 0;
      for await (const _ of executor.map(half, numbers(calls))) count++;
      if (count !== calls) throw new Error(`Cannot count ${calls}: ${count} came`);
    },
  };
}

async function measureMemory(): Promise<Claim> {
  const workerType: WorkerType = "web";
  await using executor = new Executor({ maxWorkers: 2, workerType, idleTimeout: 600_000 });
  const peaks = [0, 0];
  let count = 0;
  for await (const _ of executor.map(half, numbers(2 * ITEMS))) {
    if (++count % 10_000 > 0) continue;
    const half = count <= ITEMS ? 0 : 1;
    peaks[half] = Math.max(peaks[half] ?? 0, Deno.memoryUsage().rss / 2 ** 20);
  }
  const [first = 0, second = 0] = peaks.map(Math.round);
  return {
    text: "memory of a map: the peak of the second million over that of the first",
    measured: `${second - first} MB`,
    goal: `≤ ${GROWTH} MB`,
    holds: second - first <= GROWTH,
    beside: `${first} and ${second} MB`,
  };
}

function* numbers(count: number): Generator<number> {
  for (let n = 0; n < count; n++) yield n;
}

if (import.meta.main) printClaims(await run());
