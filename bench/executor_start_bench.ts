// How long does a new worker take: until it takes calls, and to its first result?
import { Executor, type WorkerType } from "@quiver/quiver";
import { openProcessWorker } from "../src/worker/process/process_worker.ts";
import { openWebWorker } from "../src/worker/web/web_worker.ts";
import type { Worker as QuiverWorker } from "../src/worker/worker.ts";
import { type Claim, claimTime, printClaims } from "./_claims.ts";
import { compare, type Contender } from "./_compare.ts";
import { type PeerKind, PROCESS_PEERS, THREAD_PEERS } from "./_peers.ts";
import { printPython } from "./_python.ts";
import { RawProcesses, RawWorkers } from "./_raw_workers.ts";
import { noop } from "./_tasks.ts";

const WEB = new URL("../src/executor/guest/worker_main.ts", import.meta.url);
const PROCESS = new URL("../src/executor/guest/process_main.ts", import.meta.url);

/** Compares the starts of workers. */
export async function run(): Promise<Claim[]> {
  return [...await compareWeb(), ...await compareProcess()];
}

async function compareWeb(): Promise<Claim[]> {
  const measured = await compare("Start of a web worker", [
    each("raw worker, first answer (baseline)", async () => {
      using raw = new RawWorkers(1);
      await raw.ask(undefined);
    }),
    each("Quiver, web: takes calls", () => openAndEnd(openWebWorker(WEB, { name: "bench" }))),
    each("Quiver, web: first result", () => submitOnce("web")),
    ...THREAD_PEERS.map(firstCall),
  ], { calls: 2, rounds: 15 });
  return [
    claimTime({ text: "a web worker takes calls", name: "Quiver, web: takes calls", measured }, 20),
    claimTime({ text: "its first result", name: "Quiver, web: first result", measured }, 20),
  ];
}

async function compareProcess(): Promise<Claim[]> {
  const measured = await compare("Start of a process", [
    each("raw process, first message (baseline)", async () => {
      await using _raw = await RawProcesses.open(1);
    }),
    each("Quiver, process: takes calls", () => {
      return openAndEnd(openProcessWorker(PROCESS, { name: "bench" }));
    }),
    each("Quiver, process: first result", () => submitOnce("process")),
    ...PROCESS_PEERS.map(firstCall),
  ], { calls: 2, rounds: 9 });
  await printPython("start");
  const [takes, first] = ["Quiver, process: takes calls", "Quiver, process: first result"];
  return [
    claimTime({ text: "a process worker takes calls", name: takes, measured }, 70),
    claimTime({ text: "its first result", name: first, measured }, 70),
  ];
}

async function openAndEnd(opening: Promise<QuiverWorker>): Promise<void> {
  const worker = await opening;
  worker.terminate();
  await worker.dead;
}

async function submitOnce(workerType: WorkerType): Promise<void> {
  const executor = new Executor({ maxWorkers: 1, workerType });
  await executor.submit(noop);
  executor.terminate();
}

function firstCall({ name, open }: PeerKind): Contender {
  return each(`${name}: first result`, async () => {
    await using peer = open(1);
    await peer.call("noop");
  });
}

function each(name: string, once: () => Promise<void>): Contender {
  return {
    name,
    run: async (calls) => {
      for (let n = 0; n < calls; n++) await once();
    },
  };
}

if (import.meta.main) printClaims(await run());
