// A program that drops its executor without disposing it, with calls in the queue.
import { Executor, type WorkerType } from "@quiver/quiver";
import { identify } from "./worker_count_tasks.ts";

function submitAll(workerType: WorkerType): Promise<unknown>[] {
  const executor = new Executor({ maxWorkers: 1, workerType, idleTimeout: 20 });
  return Array.from({ length: 30 }, () => executor.submit(identify));
}

const workerType = (["web", "process", "inline"] as const).find((type) => type === Deno.args[0]);
const calls = submitAll(workerType ?? "web");
// Given by --v8-flags=--expose-gc.
const { gc } = globalThis as unknown as { gc: () => void };
const first = await calls[0];
gc();
if (Deno.args[1] === "await") {
  await Promise.all(calls);
  gc();
}
console.log(first === undefined ? "nothing" : "done");
let ended = 0;
for (const call of calls) void call.then(() => ++ended);
addEventListener("unload", () => console.log(ended));
