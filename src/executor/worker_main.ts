/**
 * What a web worker starts with. It loads next to nothing: what runs calls comes when the worker
 * listens, while its parent makes the first call ready, and the rest with the module of its task.
 *
 * @module
 */
import { exposeWorker } from "../worker/expose_worker.ts";
import type { CallControl, CallRequest, Outcome } from "../worker/worker.ts";
import type { WorkerCalls } from "./worker_calls.ts";

type Calls = typeof import("./worker_calls.ts");

/** Runs calls with what is loaded late. */
class LateCalls {
  #calls: WorkerCalls | undefined;
  #loading: Promise<WorkerCalls> | undefined;

  run(request: CallRequest, control: CallControl): Promise<Outcome> {
    return this.#calls?.run(request, control) ??
      this.load().then((calls) => calls.run(request, control));
  }

  async close(): Promise<void> {
    await this.#calls?.close();
  }

  load(): Promise<WorkerCalls> {
    return this.#loading ??= this.#import();
  }

  async #import(): Promise<WorkerCalls> {
    // No literal, as in `import_later.ts`, which would load `node:async_hooks` first; nothing here
    // runs in a scope that could leak.
    const { href } = new URL("./worker_calls.ts", import.meta.url);
    const { WorkerCalls }: Calls = await import(href);
    return this.#calls = new WorkerCalls();
  }
}

async function start(): Promise<void> {
  const calls = new LateCalls();
  await exposeWorker((request, control) => calls.run(request, control), {
    close: () => calls.close(),
  });
  // A call that needs it is told why it cannot be loaded.
  await calls.load().catch(() => {});
}

void start();
