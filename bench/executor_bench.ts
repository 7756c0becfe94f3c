// What does a worker cost: a round trip, a task among many, the first result of a new one?
import { Piscina } from "piscina";
import { Executor } from "@quiver/quiver";
import { openWebWorker } from "../src/worker/web_worker.ts";
import { compare } from "./_compare.ts";
import { noop } from "./_tasks.ts";

const RAW = new URL("./_raw_worker.ts", import.meta.url);
const ENTRY = new URL("../src/executor/worker_main.ts", import.meta.url);
const PEER = new URL("./_piscina_worker.ts", import.meta.url).href;

/** Compares the executor with raw workers and piscina. */
export async function run(): Promise<void> {
  await compareRoundTrip();
  await compareThroughput();
  await compareStart();
  await compareColdStart();
}

function nextMessage(worker: Worker): Promise<unknown> {
  return new Promise((resolve) => worker.addEventListener("message", resolve, { once: true }));
}

async function compareRoundTrip(): Promise<void> {
  const raw = new Worker(RAW, { type: "module" });
  const peer = new Piscina({ filename: PEER, minThreads: 1, maxThreads: 1 });
  await using executor = new Executor({ maxWorkers: 1, idleTimeout: 600_000 });
  await compare("No-op round trip, one at a time", [
    {
      name: "raw postMessage (baseline)",
      run: async (calls) => {
        for (let n = 0; n < calls; n++) {
          const answer = nextMessage(raw);
          raw.postMessage(undefined);
          await answer;
        }
      },
    },
    {
      name: "Quiver: await executor.submit(noop)",
      run: async (calls) => {
        for (let n = 0; n < calls; n++) await executor.submit(noop);
      },
    },
    {
      name: "piscina: await pool.run()",
      run: async (calls) => {
        for (let n = 0; n < calls; n++) await peer.run(undefined);
      },
    },
  ], { calls: 500, rounds: 15 });
  raw.terminate();
  await peer.destroy();
}

async function compareThroughput(): Promise<void> {
  const raws = [1, 2].map(() => new Worker(RAW, { type: "module" }));
  const peer = new Piscina({ filename: PEER, minThreads: 2, maxThreads: 2 });
  await using executor = new Executor({ maxWorkers: 2, idleTimeout: 600_000 });
  await compare("No-op throughput on two workers, all submitted at once", [
    {
      name: "raw postMessage, round robin (baseline)",
      run: async (calls) => {
        let left = calls;
        const done = Promise.withResolvers<void>();
        const count = () => {
          if (--left === 0) done.resolve();
        };
        for (const raw of raws) raw.addEventListener("message", count);
        for (let n = 0; n < calls; n++) raws[n % 2]?.postMessage(undefined);
        await done.promise;
        for (const raw of raws) raw.removeEventListener("message", count);
      },
    },
    {
      name: "Quiver: executor.submit(noop)",
      run: (calls) => Promise.all(Array.from({ length: calls }, () => executor.submit(noop))),
    },
    {
      name: "piscina: pool.run()",
      run: (calls) => Promise.all(Array.from({ length: calls }, () => peer.run(undefined))),
    },
  ], { calls: 10_000, show: "rate" });
  for (const raw of raws) raw.terminate();
  await peer.destroy();
}

async function startRawWorkers(calls: number): Promise<void> {
  for (let n = 0; n < calls; n++) {
    const raw = new Worker(RAW, { type: "module" });
    const answer = nextMessage(raw);
    raw.postMessage(undefined);
    await answer;
    raw.terminate();
  }
}

async function compareStart(): Promise<void> {
  await compare("Worker start: from nothing until it takes calls", [
    {
      name: "raw worker (baseline)",
      run: startRawWorkers,
    },
    {
      name: "Quiver: a web worker is ready",
      run: async (calls) => {
        for (let n = 0; n < calls; n++) {
          const worker = await openWebWorker(ENTRY, { name: "bench" });
          worker.terminate();
        }
      },
    },
  ], { calls: 3, rounds: 15 });
}

async function compareColdStart(): Promise<void> {
  await compare("Cold start: from nothing to the first result", [
    {
      name: "raw worker (baseline)",
      run: startRawWorkers,
    },
    {
      name: "Quiver: new Executor, submit(noop)",
      run: async (calls) => {
        for (let n = 0; n < calls; n++) {
          const executor = new Executor({ maxWorkers: 1 });
          await executor.submit(noop);
          executor.terminate();
        }
      },
    },
    {
      name: "piscina: new Piscina, run()",
      run: async (calls) => {
        for (let n = 0; n < calls; n++) {
          const peer = new Piscina({ filename: PEER, minThreads: 1, maxThreads: 1 });
          await peer.run(undefined);
          await peer.destroy();
        }
      },
    },
  ], { calls: 3, rounds: 15 });
}

if (import.meta.main) await run();
