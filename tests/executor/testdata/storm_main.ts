// Run with --expose-gc: two storms, and what the second has left behind. Arguments: kind, calls, seed, stops, busy.
import { WORKER_TYPES, type WorkerType } from "../../../src/worker/worker.ts";
import { readChildren, readLocks } from "../../leave_nothing.ts";
import { storm, type StormReport } from "../storm.ts";

/** What the program writes. */
export interface StormEnd extends StormReport {
  /** How many bytes more the heap has than before. */
  readonly heap: number;
  /** Locks that somebody holds, or waits for. */
  readonly locks: readonly string[];
  /** Processes that still live. */
  readonly children: readonly string[];
}

function isWorkerType(text: string): text is WorkerType {
  return WORKER_TYPES.some((type) => type === text);
}

async function readHeap(): Promise<number> {
  for (let round = 0; round < 5; round++) {
    await new Promise((resolve) => setTimeout(resolve));
    Reflect.apply(Reflect.get(globalThis, "gc"), globalThis, []);
  }
  return Deno.memoryUsage().heapUsed;
}

if (import.meta.main) {
  const [workerType = "", calls = "10000", seed = "1", stops = "0", busy = "0"] = Deno.args;
  if (!isWorkerType(workerType)) throw new TypeError(`Cannot run a storm on "${workerType}"`);
  const options = { workerType, faults: 0.01 };
  // What the first leaves is there for good, such as code that was loaded and compiled.
  await storm({ ...options, calls: Number(calls) / 10, faults: 0.05, seed: Number(seed) + 1 });
  const before = await readHeap();
  const report = await storm({
    ...options,
    calls: Number(calls),
    seed: Number(seed),
    stops: Number(stops),
    busy: Number(busy),
  });
  const heap = await readHeap() - before;
  const [locks, children] = [await readLocks(), await readChildren()];
  const end: StormEnd = { ...report, heap, locks: [...locks], children };
  console.log(JSON.stringify(end));
}
