// Run with --expose-gc: does anything keep the callbacks of calls that have ended, here or there?
import { proxy } from "comlink";
import { Executor, task, type WorkerType } from "@quiver/quiver";

export const callBack = task(
  import.meta,
  async function callBack(back: (n: number) => number | Promise<number>): Promise<number> {
    return await back(1);
  },
);

export const readHeap = task(import.meta, () => collect(), { name: "readHeap" });

async function collect(): Promise<number> {
  for (let round = 0; round < 10; round++) {
    // What a reference has shown stays until the next turn.
    await new Promise((resolve) => setTimeout(resolve));
    Reflect.apply(Reflect.get(globalThis, "gc"), globalThis, []);
  }
  return Deno.memoryUsage().heapUsed;
}

/** A fifth of the calls warm up; the others must leave nothing behind. */
async function main(workerType: WorkerType, calls: number): Promise<void> {
  const flags = workerType === "process" ? { flags: ["--v8-flags=--expose-gc"] } : {};
  await using executor = new Executor({ maxWorkers: 1, workerType, ...flags });
  const given: WeakRef<object>[] = [];
  const call = async (): Promise<void> => {
    const back = proxy((n: number) => n);
    if (given.length < 1000) given.push(new WeakRef(back));
    await executor.submit(callBack, back);
  };
  const measure = async () => [await collect(), await executor.submit(readHeap)];
  for (let n = 0; n < calls / 5; n++) await call();
  const before = await measure();
  for (let n = 0; n < calls * 4 / 5; n++) await call();
  const after = await measure();
  const kept = given.filter((reference) => reference.deref() !== undefined).length;
  const grown = after.map((bytes, side) => bytes - (before[side] ?? 0));
  await Deno.stdout.write(new TextEncoder().encode(JSON.stringify({ kept, grown })));
}

if (import.meta.main) await main(Deno.args[0] as WorkerType, Number(Deno.args[1]));
