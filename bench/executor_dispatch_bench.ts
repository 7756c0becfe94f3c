// What does it cost to run a call on a worker: one at a time, and one among many?
import { Executor, type WorkerType } from "@quiver/quiver";
import { alone, type Openings, openPeersAlone } from "./_alone.ts";
import { type Claim, claimRate, claimRatio, printClaims } from "./_claims.ts";
import { compare, type Contender } from "./_compare.ts";
import { OpenPeers, type Peer, PROCESS_PEERS, THREAD_PEERS } from "./_peers.ts";
import { printPython } from "./_python.ts";
import { RawProcesses, RawWorkers } from "./_raw_workers.ts";
import { noop } from "./_tasks.ts";

const CALLS = 500;
const MANY = 10_000;
const IDLE = 600_000;
const QUIVER = "Quiver, web";
/** The command that keeps a process on one processor, where it is installed. */
const ONE_PROCESSOR = ["taskset", "--cpu-list", "0"];

/** What makes round trips in a process of its own. */
export const ALONE: Openings = {
  "raw postMessage (baseline)": (stack) => {
    const raw = stack.use(new RawWorkers(1));
    return () => raw.ask(undefined);
  },
  [QUIVER]: (stack) => {
    const executor = stack.use(new Executor({ maxWorkers: 1 }));
    return () => executor.submit(noop);
  },
  ...openPeersAlone((peer) => peer.call("noop")),
};

/** Compares the executor with raw workers and other pools. */
export async function run(): Promise<Claim[]> {
  const claims = await compareRoundTrip();
  await compareProcessRoundTrip();
  return [...claims, ...await compareThroughput(), ...await compareProcessThroughput()];
}

/** On which processors the kernel lets threads wake each other depends on what a process did before. */
async function compareRoundTrip(): Promise<Claim[]> {
  const claims = await compareAlone("each in a process of its own", []);
  if (!await hasTaskset()) return claims;
  return [...claims, ...await compareAlone("both threads on one processor", ONE_PROCESSOR)];
}

async function compareAlone(where: string, before: readonly string[]): Promise<Claim[]> {
  const options = { module: import.meta.url, warm: 20 * CALLS, before };
  const measured = await compare(
    `No-op round trip, one at a time, web workers, ${where}`,
    Object.keys(ALONE).map((name) => alone(name, options)),
    { calls: 10 * CALLS, rounds: 9 },
  );
  const text = `no-op round trip on a web worker, beside raw postMessage, ${where}`;
  return [claimRatio({ text, name: QUIVER, measured }, 1.5)];
}

async function hasTaskset(): Promise<boolean> {
  const [command = "", ...args] = [...ONE_PROCESSOR, "true"];
  try {
    return (await new Deno.Command(command, { args, stdout: "null", stderr: "null" }).output())
      .success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function compareProcessRoundTrip(): Promise<void> {
  await using raw = await RawProcesses.open(1);
  await using executor = new Executor({ maxWorkers: 1, workerType: "process", idleTimeout: IDLE });
  await using peers = new OpenPeers(PROCESS_PEERS, 1);
  await compare("No-op round trip, one at a time, processes", [
    oneByOne("raw IPC (baseline)", () => raw.ask(undefined)),
    oneByOne("Quiver, process", () => executor.submit(noop)),
    ...peers.map((name, peer) => oneByOne(name, () => peer.call("noop"))),
  ], { calls: CALLS });
  await printPython("round_trip");
}

async function compareThroughput(): Promise<Claim[]> {
  using raw = new RawWorkers(2);
  using asked = new RawWorkers(2);
  await using executor = openTwo("web");
  await using peers = new OpenPeers(THREAD_PEERS, 2);
  const measured = await compare("No-op tasks on two web workers, all submitted at once", [
    { name: "raw postMessage, round robin (baseline)", run: (calls) => raw.flood(calls) },
    allAtOnce("raw postMessage, a promise for each answer", () => asked.askInTurn(undefined)),
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
