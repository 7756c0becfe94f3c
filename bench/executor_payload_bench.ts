// What does an 8 MB array cost, there and back?
import { Executor, transfer } from "@quiver/quiver";
import { alone, type Openings, openPeersAlone } from "./_alone.ts";
import { type Claim, claimTime, printClaims } from "./_claims.ts";
import { compare, type Contender } from "./_compare.ts";
import { OpenPeers, PROCESS_PEERS, THREAD_PEERS } from "./_peers.ts";
import { printPython } from "./_python.ts";
import { RawProcesses, RawWorkers } from "./_raw_workers.ts";
import { echo, give } from "./_tasks.ts";

const IDLE = 600_000;
/** What is sent: made once, outside of what is timed. */
const ARRAY: Float64Array<ArrayBuffer> = createArray();
const ECHO = "Quiver, web: the task returns what it got";
const GIVE = "Quiver, web: and gives it away";

/** What sends arrays in a process of its own. */
export const ALONE: Openings = {
  "raw: clone there, move back (baseline)": (stack) => {
    const raw = stack.use(new RawWorkers(1));
    return () => raw.ask(ARRAY);
  },
  "raw: copy, move there and back": (stack) => {
    const raw = stack.use(new RawWorkers(1));
    return () => {
      const copy = ARRAY.slice();
      return raw.ask(copy, [copy.buffer]);
    };
  },
  // The floor where both sides keep theirs, as a task's module may keep what the task returns.
  "raw: copy, move there, copy, move back": (stack) => {
    const raw = stack.use(new RawWorkers(1));
    return () => {
      const kept = ARRAY.slice();
      return raw.ask({ kept }, [kept.buffer]);
    };
  },
  [ECHO]: (stack) => {
    const executor = openOne(stack);
    return () => executor.submit(echo, ARRAY);
  },
  [GIVE]: (stack) => {
    const executor = openOne(stack);
    return () => executor.submit(give, ARRAY);
  },
  "Quiver, web: shared": (stack) => {
    const executor = openOne(stack);
    const array = new Float64Array(new SharedArrayBuffer(ARRAY.byteLength));
    return () => executor.submit(echo, array);
  },
  "Quiver, web: given away both ways": (stack) => {
    const executor = openOne(stack);
    let own: Float64Array = createArray();
    // Each call gets what the one before gave.
    return async () => void (own = await executor.submit(give, transfer(own)));
  },
  ...openPeersAlone((peer) => peer.call("echo", ARRAY)),
};

/** Compares what arrays cost. */
export async function run(): Promise<Claim[]> {
  const claims = await compareWeb();
  await compareProcess(ARRAY);
  return claims;
}

function createArray(): Float64Array<ArrayBuffer> {
  return new Float64Array(1 << 20).fill(0.5);
}

function openOne(stack: AsyncDisposableStack): Executor {
  return stack.use(new Executor({ maxWorkers: 1 }));
}

async function compareWeb(): Promise<Claim[]> {
  const peers = new Set(THREAD_PEERS.map(({ name }) => name));
  const measured = await compare(
    "8 MB there and back, web workers, each in a process of its own",
    Object.keys(ALONE).map((name) => {
      const options = { module: import.meta.url, warm: 5 };
      return alone(name, peers.has(name) ? { ...options, calls: 5 } : options);
    }),
    { calls: 100, rounds: 7 },
  );
  const claim = (name: string, text: string) => claimTime({ text, name, measured }, 1.5);
  return [
    claim(ECHO, "8 MB there and back, the caller's kept"),
    claim(GIVE, "the same, when the task gives its result away"),
  ];
}

async function compareProcess(array: Float64Array): Promise<void> {
  await using raw = await RawProcesses.open(1);
  await using executor = new Executor({ maxWorkers: 1, workerType: "process", idleTimeout: IDLE });
  await using peers = new OpenPeers(PROCESS_PEERS, 1);
  await compare("8 MB there and back, processes", [
    each("raw IPC (baseline)", () => raw.ask(ARRAY)),
    each("Quiver, process", () => executor.submit(echo, ARRAY)),
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

if (import.meta.main) printClaims(await run());
