// Does a call cost more when many others wait, or when many were made before?
import { Executor } from "@quiver/quiver";
import { type Claim, printClaims } from "./_claims.ts";
import { format, quantile } from "./_compare.ts";
import { RawWorkers } from "./_raw_workers.ts";
import { noop } from "./_tasks.ts";

const QUEUED = [1e2, 1e3, 1e4, 1e5, 1e6];
const BATCH = 1000;
const DONE = [1e3, 1e4, 1e5, 1e6];
/** The spread of this machine's speed within a minute. */
const NOISE = 1.5;

/** Times calls by how many wait, and by how many were made. */
export async function run(): Promise<Claim[]> {
  return [await growWithDone(), await growWithQueue()];
}

async function growWithQueue(): Promise<Claim> {
  using raw = new RawWorkers(2);
  await using executor = new Executor({ maxWorkers: 2, idleTimeout: 600_000 });
  const submit = (count: number) =>
    Promise.all(Array.from({ length: count }, () => executor.submit(noop)));
  await submit(BATCH);
  await raw.flood(BATCH);
  console.log("\nA no-op task by the number submitted at once, two web workers");
  const times = [];
  for (const count of QUEUED) {
    const rounds = Math.max(3, Math.min(15, 1e5 / count));
    const own: number[] = [];
    const floor: number[] = [];
    for (let round = 0; round < rounds; round++) {
      own.push(await timeOf(count, submit));
      floor.push(await timeOf(count, (calls) => raw.flood(calls)));
    }
    times.push(quantile(own, 0.5));
    const cells = [own, floor].map((all) => format(quantile(all, 0.5), "time").padStart(10));
    console.log(`  ${String(count).padStart(9)} queued  ${cells[0]}  raw postMessage ${cells[1]}`);
  }
  return toClaim("a task beside 1e6 queued ones, to one beside 1e4", times[4], times[2]);
}

async function growWithDone(): Promise<Claim> {
  await using executor = new Executor({ maxWorkers: 2, idleTimeout: 600_000 });
  await executor.submit(noop);
  console.log(`\nA no-op task by the number done before, ${BATCH} at once, two web workers`);
  const times: number[] = [];
  let done = 0;
  let latest: number[] = [];
  for (const goal of DONE) {
    for (; done < goal; done += BATCH) {
      latest.push(
        await timeOf(
          BATCH,
          (count) => Promise.all(Array.from({ length: count }, () => executor.submit(noop))),
        ),
      );
    }
    // The last tenth of those before this number.
    const time = quantile(latest.slice(-Math.ceil(latest.length / 10)), 0.5);
    latest = [];
    times.push(time);
    const memory = Math.round(Deno.memoryUsage().rss / 2 ** 20);
    console.log(
      `  ${String(goal).padStart(9)} done  ${format(time, "time").padStart(10)}  ${memory} MB`,
    );
  }
  return toClaim("a task after 1e6 done ones, to one after 1e4", times[3], times[1]);
}

async function timeOf(count: number, run: (count: number) => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await run(count);
  return (performance.now() - begun) / count;
}

function toClaim(text: string, late = NaN, early = NaN): Claim {
  return {
    text,
    measured: `× ${(late / early).toFixed(2)}`,
    goal: `≤ × ${NOISE}`,
    holds: late / early <= NOISE,
    beside: `${format(late, "time")} and ${format(early, "time")}`,
  };
}

if (import.meta.main) printClaims(await run());
