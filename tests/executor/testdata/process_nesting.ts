import { Executor, task } from "@quiver/quiver";
import { openWorkerContext, runInWorker } from "@quiver/quiver/workers";
import { double } from "./tasks.ts";

/** Runs a call on a process of its own, in both ways. */
export const onProcess = task(
  import.meta,
  async function onProcess(n: number): Promise<number[]> {
    await using executor = new Executor({ workerType: "process", maxWorkers: 1 });
    await using context = openWorkerContext({ workerType: "process" });
    return [
      await executor.submit(double, n),
      await runInWorker(double, [n], { context }),
      ...await Array.fromAsync(executor.map(double, [n])),
    ];
  },
);
