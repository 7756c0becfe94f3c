import type { CallControl, CallRequest, Outcome } from "../worker/worker.ts";
import type { WorkerCalls } from "./worker_calls.ts";

type Calls = typeof import("./worker_calls.ts");

/**
 * Runs calls with what is loaded late, so that a worker listens before it loads what runs calls, while
 * its parent makes the first call ready.
 */
export class LateCalls {
  #calls: WorkerCalls | undefined;
  #loading: Promise<WorkerCalls> | undefined;

  /**
   * Runs a call.
   *
   * @param request The call.
   * @param control What the call's code knows of who waits for it.
   * @returns How it ended.
   */
  run(request: CallRequest, control: CallControl): Outcome | Promise<Outcome> {
    return this.#calls?.run(request, control) ??
      this.load().then((calls) => calls.run(request, control));
  }

  /** Lets go of what the calls have opened. */
  async close(): Promise<void> {
    await this.#calls?.close();
  }

  /**
   * Loads what runs calls, once; when that fails, the next call tries again.
   *
   * @returns What runs calls.
   */
  load(): Promise<WorkerCalls> {
    if (this.#loading !== undefined) return this.#loading;
    const loading = this.#import();
    this.#loading = loading;
    loading.catch(() => this.#loading = undefined);
    return loading;
  }

  async #import(): Promise<WorkerCalls> {
    // No literal, as in `import_later.ts`, which would load `node:async_hooks` first; nothing here
    // runs in a scope that could leak.
    const { href } = new URL("./worker_calls.ts", import.meta.url);
    const { WorkerCalls }: Calls = await import(href);
    return this.#calls = new WorkerCalls();
  }
}
