// A web worker that a program has made by itself, and that has executors of its own.
import { Executor, WorkerDiedError, type WorkerType } from "@quiver/quiver";
import { openWorkerContext, runInWorker } from "@quiver/quiver/workers";
import * as tasks from "./tasks.ts";

/** The global scope of a worker, which the type library of the main isolate does not describe. */
const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<{ kind: WorkerType; folder: string }>) => void;
  postMessage(message: unknown): void;
};

async function use(workerType: WorkerType): Promise<unknown> {
  await using executor = new Executor({ workerType, maxWorkers: 2, maxTotalWorkers: 2 });
  await using context = openWorkerContext({ workerType });
  const mapped = await Array.fromAsync(executor.map(tasks.double, [1, 2, 3]));
  const died = await executor.submit(tasks.die, "exit").catch((error) => error);
  return {
    submitted: await executor.submit(tasks.double, 21),
    mapped,
    ran: await runInWorker(tasks.double, [4], { context }),
    died: died instanceof WorkerDiedError,
    array: (await executor.submit(tasks.traced, 1, Deno.makeTempDirSync())).samples.length,
  };
}

scope.onmessage = async ({ data: { kind, folder } }) => {
  try {
    scope.postMessage(await use(kind));
    const executor = new Executor({ workerType: kind, maxWorkers: 1 });
    // Whoever has started this worker ends it then.
    void executor.submit(tasks.loop, `${folder}/looping`);
  } catch (error) {
    scope.postMessage(Deno.inspect(error));
  }
};
