// What does it cost to run a call on a worker: one at a time, and one among many?
import { Executor, type WorkerType } from "@quiver/quiver";
import { type Claim, claimRate, claimRatio, printClaims } from "./_claims.ts";
import { compare, type Contender } from "./_compare.ts";
import { OpenPeers, type Peer, PROCESS_PEERS, THREAD_PEERS } from "./_peers.ts";
import { printPython } from "./_python.ts";
import { RawProcesses, RawWorkers } from "./_raw_workers.ts";
import { noop } from "./_tasks.ts";

const CALLS = 500;
const MANY = 10_000;
const IDLE = 600_000;

/** Compares the executor with raw workers and other pools. */
export async function run(): Promise<Claim[]> {
  return [
    ...await compareRoundTrip(),
    ...await compareProcessRoundTrip(),
    ...await compareThroughput(),
    ...await compareProcessThroughput(),
  ];
}

async function compareRoundTrip(): Promise<Claim[]> {
  using raw = new RawWorkers(1);
  await using executor = new Executor({ maxWorkers: 1, idleTimeout: IDLE });
  await using peers = new OpenPeers(THREAD_PEERS, 1);
  const measured = await compare("No-op round trip, one at a time, web workers", [
    oneByOne("raw postMessage (baseline)", () => raw.ask(undefined)),
    oneByOne("Quiver, web", () => executor.submit(noop)),
    ...peers.map((name, peer) => oneByOne(name, () => peer.call("noop"))),
  ], { calls: CALLS, rounds: 15 });
  const text = "no-op round trip on a web worker, beside raw postMessage";
  return [claimRatio({ text, name: "Quiver, web", measured }, 1.5)];
}

async function compareProcessRoundTrip(): Promise<Claim[]> {
  await using raw = await RawProcesses.open(1);
  await using executor = new Executor({ maxWorkers: 1, workerType: "process", idleTimeout: IDLE });
  await using peers = new OpenPeers(PROCESS_PEERS, 1);
  const measured = await compare("No-op round trip, one at a time, processes", [
    oneByOne("raw IPC (baseline)", () => raw.ask(undefined)),
    oneByOne("Quiver, process", () => executor.submit(noop)),
    ...peers.map((name, peer) => oneByOne(name, () => peer.call("noop"))),
  ], { calls: CALLS });
  await printPython("round_trip");
  const text = "no-op round trip on a process, beside raw IPC";
  return [claimRatio({ text, name: "Quiver, process", measured }, 1.5)];
}

async function compareThroughput(): Promise<Claim[]> {
  using raw = new RawWorkers(2);
  await using executor = openTwo("web");
  await using peers = new OpenPeers(THREAD_PEERS, 2);
  const measured = await compare("No-op tasks on two web workers, all submitted at once", [
    { name: "raw postMessage, round robin (baseline)", run: (calls) => raw.flood(calls) },
    allAtOnce("Quiver, web", () => executor.submit(noop)),
    ...peers.map((name, peer) => allAtOnceOf(name, peer)),
  ], { calls: MANY, show: "rate" });
  const name = "Quiver, web";
  return [
    claimRate({ text: "no-op tasks on two web workers", name, measured }, 100_000),
    claimRatio({ text: "a no-op task among many, beside raw postMessage", name, measured }, 1),
  ];
}

async function compareProcessThroughput(): Promise<Claim[]> {
  await using raw = await RawProcesses.open(2);
  await using executor = openTwo("process");
  await using peers = new OpenPeers(PROCESS_PEERS, 2);
  const measured = await compare("No-op tasks on two processes, all submitted at once", [
    { name: "raw IPC, round robin (baseline)", run: (calls) => raw.flood(calls) },
    allAtOnce("Quiver, process", () => executor.submit(noop)),
    ...peers.map((name, peer) => allAtOnceOf(name, peer)),
  ], { calls: MANY, show: "rate" });
  await printPython("throughput");
  const text = "no-op tasks on two processes";
  return [claimRate({ text, name: "Quiver, process", measured }, 40_000)];
}

function openTwo(workerType: WorkerType): Executor {
  return new Executor({ maxWorkers: 2, workerType, idleTimeout: IDLE });
}

function oneByOne(name: string, call: () => PromiseLike<unknown>): Contender {
  return {
    name,
    run: async (calls) => {
      for (let n = 0; n < calls; n++) await call();
    },
  };
}

function allAtOnce(name: string, call: () => PromiseLike<unknown>): Contender {
  return { name, run: (calls) => Promise.all(Array.from({ length: calls }, call)) };
}

function allAtOnceOf(name: string, peer: Peer): Contender {
  return { ...allAtOnce(name, () => peer.call("noop")), calls: MANY / 5 };
}

if (import.meta.main) printClaims(await run());
