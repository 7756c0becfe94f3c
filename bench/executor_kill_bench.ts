// How long does it take to be rid of a call that never ends, and what takes its place?
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Executor } from "@quiver/quiver";
import workerpool from "workerpool";
import { type Claim, claimTime, printClaims } from "./_claims.ts";
import { format, type Measured, quantile } from "./_compare.ts";
import { noop, spin } from "./_tasks.ts";

const ROUNDS = 15;
const HANG = new URL("./_hang_process.ts", import.meta.url);
const HANG_POOL = new URL("./_hang_workerpool.ts", import.meta.url);

/** Times the ends of processes that are busy. */
export async function run(): Promise<Claim[]> {
  console.log(`\nThe end of a busy process (${ROUNDS} rounds)`);
  const raw: number[] = [];
  const ends: number[][] = [[], [], []];
  const peer: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    raw.push(await killRaw());
    (await killQuiver()).forEach((time, index) => ends[index]?.push(time));
    peer.push(await killWorkerpool());
  }
  const measured = [
    show("raw: SIGKILL to the event of its exit (baseline)", raw, raw),
    show("Quiver: abort to the future's end", ends[0], raw),
    show("Quiver: abort to the process's end", ends[1], raw),
    show("Quiver: abort to the next result, on a new process", ends[2], raw),
    show("workerpool: cancel() to the promise's end", peer, raw),
  ];
  const name = "Quiver: abort to the process's end";
  return [claimTime({ text: "a busy process is killed", name, measured }, 50)];
}

async function killRaw(): Promise<number> {
  const args = ["run", "--quiet", "--allow-all", HANG.href];
  const stdio = ["ignore", "inherit", "inherit", "ipc"] as const;
  const child = spawn(Deno.execPath(), args, { stdio: [...stdio] });
  await once(child, "message");
  const exit = once(child, "exit");
  const begun = performance.now();
  child.kill("SIGKILL");
  await exit;
  return performance.now() - begun;
}

async function killQuiver(): Promise<number[]> {
  await using executor = new Executor({ maxWorkers: 1, workerType: "process" });
  const controller = new AbortController();
  const future = executor.with({ signal: controller.signal }).submit(spin);
  for await (const _ of future.progress) break;
  const begun = performance.now();
  controller.abort("enough");
  await future.catch(() => {});
  const ended = performance.now() - begun;
  const next = executor.submit(noop);
  // A worker that was killed counts as lost until its process has ended.
  while (executor.statistics().lost > 0) await new Promise((resolve) => setTimeout(resolve));
  const dead = performance.now() - begun;
  await next;
  return [ended, dead, performance.now() - begun];
}

async function killWorkerpool(): Promise<number> {
  const pool = workerpool.pool(HANG_POOL.pathname, { maxWorkers: 1, workerType: "process" });
  const started = Promise.withResolvers<void>();
  const call = pool.exec("hang", [], { on: () => started.resolve() });
  await started.promise;
  const begun = performance.now();
  call.cancel();
  // Its promises are its own.
  await new Promise<void>((resolve) => void call.then(() => resolve(), () => resolve()));
  const time = performance.now() - begun;
  await pool.terminate(true);
  return time;
}

function show(
  name: string,
  times: readonly number[] | undefined,
  raw: readonly number[],
): Measured {
  const own = times ?? [];
  const [median = NaN, ...spread] = [0.5, 0.1, 0.9].map((q) => quantile(own, q));
  const range = spread.map((time) => format(time, "time")).join(" … ");
  const ratio = quantile(own.map((time, round) => time / (raw[round] ?? time)), 0.5);
  const cells = [format(median, "time").padStart(12), range.padStart(24)];
  console.log(`  ${name.padEnd(50)}  ${cells.join("  ")}  × ${ratio.toFixed(2)}`);
  return { name, time: median, ratio };
}

if (import.meta.main) printClaims(await run());
