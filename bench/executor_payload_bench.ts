// What does an 8 MB array cost, there and back?
import { Executor, transfer } from "@quiver/quiver";
import { type Claim, claimTime, printClaims } from "./_claims.ts";
import { compare, type Contender } from "./_compare.ts";
import { OpenPeers, PROCESS_PEERS, THREAD_PEERS } from "./_peers.ts";
import { printPython } from "./_python.ts";
import { RawProcesses, RawWorkers } from "./_raw_workers.ts";
import { echo, give } from "./_tasks.ts";

const LENGTH = 1 << 20;
const IDLE = 600_000;

/** Compares what arrays cost. */
export async function run(): Promise<Claim[]> {
  const array = new Float64Array(LENGTH).fill(0.5);
  const claims = await compareWeb(array);
  await compareProcess(array);
  return claims;
}

async function compareWeb(array: Float64Array): Promise<Claim[]> {
  using raw = new RawWorkers(1);
  await using executor = new Executor({ maxWorkers: 1, idleTimeout: IDLE });
  await using peers = new OpenPeers(THREAD_PEERS, 1);
  const shared = new Float64Array(new SharedArrayBuffer(array.byteLength));
  const measured = await compare("8 MB there and back, web workers", [
    each("raw: clone there, move back (baseline)", () => raw.ask(array)),
    each("raw: copy, move there and back", async () => {
      const copy = array.slice();
      await raw.ask(copy, [copy.buffer]);
    }),
    // The floor where both sides keep theirs, as a task's module may keep what the task returns.
    each("raw: copy, move there, copy, move back", async () => {
      const kept = array.slice();
      await raw.ask({ kept }, [kept.buffer]);
    }),
    each("Quiver, web: the task returns what it got", () => executor.submit(echo, array)),
    each("Quiver, web: and gives it away", () => executor.submit(give, array)),
    each("Quiver, web: shared", () => executor.submit(echo, shared)),
    passOn("Quiver, web: given away both ways", array, (own) => {
      return executor.submit(give, transfer(own));
    }),
    ...peers.map((name, peer) => ({ ...each(name, () => peer.call("echo", array)), calls: 1 })),
  ], { calls: 5, rounds: 7 });
  const claim = (name: string, text: string) => claimTime({ text, name, measured }, 1.5);
  return [
    claim("Quiver, web: the task returns what it got", "8 MB there and back, the caller's kept"),
    claim("Quiver, web: and gives it away", "the same, when the task gives its result away"),
  ];
}

async function compareProcess(array: Float64Array): Promise<void> {
  await using raw = await RawProcesses.open(1);
  await using executor = new Executor({ maxWorkers: 1, workerType: "process", idleTimeout: IDLE });
  await using peers = new OpenPeers(PROCESS_PEERS, 1);
  await compare("8 MB there and back, processes", [
    each("raw IPC (baseline)", () => raw.ask(array)),
    each("Quiver, process", () => executor.submit(echo, array)),
    ...peers.map((name, peer) => ({ ...each(name, () => peer.call("echo", array)), calls: 1 })),
  ], { calls: 2, rounds: 7 });
  await printPython("payload");
}

function each(name: string, call: () => PromiseLike<unknown>): Contender {
  return {
    name,
    run: async (calls) => {
      for (let n = 0; n < calls; n++) await call();
    },
  };
}

/** Each call gets what the one before gave. */
function passOn(
  name: string,
  array: Float64Array,
  call: (own: Float64Array) => PromiseLike<Float64Array>,
): Contender {
  let own: Float64Array = array.slice();
  return {
    name,
    run: async (calls) => {
      for (let n = 0; n < calls; n++) own = await call(own);
    },
  };
}

if (import.meta.main) printClaims(await run());
