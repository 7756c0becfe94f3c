// Tasks for the tests of crews: who they are, how long they live, what they leave behind.
import { Executor, type Task, task, type WorkerType } from "@quiver/quiver";
import { runInWorker } from "@quiver/quiver/workers";
import { arrive, opened, until } from "./gated.ts";

/** Of this isolate, which is the worker where it is not inline. */
const IDENTITY = crypto.randomUUID();
const KEPT: unknown[] = [];
let calls = 0;
let state = "";

export const identify = task(import.meta, function identify(): { id: string; calls: number } {
  return { id: IDENTITY, calls: ++calls };
});

/** Keeps so many bytes for as long as the worker lives. */
export const leak = task(import.meta, function leak(bytes: number): string {
  KEPT.push(new Uint8Array(bytes).fill(1));
  return IDENTITY;
});

export const setUp = task(import.meta, function setUp(value: string): void {
  state = value;
});

export const readState = task(import.meta, function readState(): string {
  return `${state} in ${IDENTITY}`;
});

export const refuseSetUp = task(import.meta, function refuseSetUp(): never {
  throw new RangeError("no licence");
});

/** Fails until it was called so often at this gate. */
export const flaky = task(
  import.meta,
  function flaky(gate: string, failures: number, how: "throw" | "die"): string {
    if (arrive(gate) >= failures) return IDENTITY;
    if (how === "die") Deno.exit(3);
    throw new TypeError("not yet");
  },
  { ignore: ["gate"] },
);

/** Ends when so many have arrived; only if they all run at once do they. */
export const meet = task(
  import.meta,
  async function meet(gate: string, count: number): Promise<string> {
    arrive(gate);
    await until(gate, (names) => names.length >= count);
    return IDENTITY;
  },
);

/** Says that it has started, and ends when it is told to. */
export const hold = task(import.meta, async function hold(gate: string): Promise<string> {
  arrive(gate);
  await opened(gate);
  return IDENTITY;
});

export const kill = task(import.meta, function kill(): never {
  Deno.exit(3);
});

/** Runs itself so many times more, each in an executor of the one before; gives who they were. */
export const descend: Task<[number], string[]> = task(
  import.meta,
  async (levels: number): Promise<string[]> => {
    if (levels === 0) return [IDENTITY];
    await using executor = new Executor({ maxWorkers: 1 });
    return [IDENTITY, ...await executor.submit(descend, levels - 1)];
  },
  { name: "descend" },
);

/** A tree of calls, each level in executors of the one above; gives who ran them. */
export const branch: Task<[number, number], string[]> = task(
  import.meta,
  async (levels: number, width: number): Promise<string[]> => {
    if (levels === 0) return [IDENTITY];
    await using executor = new Executor({ maxWorkers: width });
    const calls = Array.from({ length: width }, () => executor.submit(branch, levels - 1, width));
    return [IDENTITY, ...(await Promise.all(calls)).flat()];
  },
  { name: "branch" },
);

/** Leaves an executor with an idle worker behind. */
export const leaveExecutor = task(import.meta, async function leaveExecutor(): Promise<string> {
  const executor = new Executor({ maxWorkers: 1, idleTimeout: Infinity });
  return (await executor.submit(identify)).id;
});

/** Locks a file for as long as its worker lives, and says when it has. */
export const holdLock = task(
  import.meta,
  async function holdLock(path: string, gate: string): Promise<void> {
    using file = await Deno.open(path, { write: true });
    await file.lock(true);
    arrive(gate);
    await new Promise<never>(() => {});
  },
);

/** Has a worker of its worker hold a lock. */
export const nestLock = task(
  import.meta,
  async function nestLock(workerType: WorkerType, path: string, gate: string): Promise<void> {
    await using executor = new Executor({ maxWorkers: 1, workerType });
    await executor.submit(holdLock, path, gate);
  },
);

/** Fails the first time, by throwing or with its worker, and leaves a file so that it knows. */
export const failOnce = task(
  import.meta,
  async function failOnce(
    { directory, x, how }: { directory: string; x: number; how: "throw" | "die" | "never" },
  ): Promise<number> {
    const path = `${directory}/${x}`;
    if (how === "never" || existsSync(path)) return x;
    Deno.writeTextFileSync(path, "");
    if (how === "throw") throw new RangeError("not yet");
    Deno.exit(3);
    return await new Promise<never>(() => {});
  },
);

/** Calls itself so many times more, on the workers of the program; gives how deep it came. */
export const descendOnWorkers: Task<[number], number> = task(
  import.meta,
  async (levels: number): Promise<number> =>
    levels === 0 ? 0 : 1 + await runInWorker(descendOnWorkers, [levels - 1]),
  { name: "descendOnWorkers" },
);

/** The same by `map`, in an executor of each. */
export const descendByMap: Task<[number], string[]> = task(
  import.meta,
  async (levels: number): Promise<string[]> => {
    if (levels === 0) return [IDENTITY];
    await using executor = new Executor({ maxWorkers: 2 });
    return [IDENTITY, ...(await Array.fromAsync(executor.map(descendByMap, [levels - 1]))).flat()];
  },
  { name: "descendByMap" },
);

function existsSync(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
