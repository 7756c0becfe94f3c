/**
 * What a web worker starts with. It loads next to nothing: what runs calls comes when the worker
 * listens, while its parent makes the first call ready, and the rest with the module of its task.
 *
 * @module
 */
import { exposeWorker } from "../../worker/web/expose_worker.ts";
import { LazyCalls } from "./lazy_calls.ts";

async function start(): Promise<void> {
  const calls = new LazyCalls({ ownIsolate: true });
  await exposeWorker((request, control) => calls.run(request, control), calls);
  // A call that needs it is told why it cannot be loaded.
  await calls.load().catch(() => {});
}

void start();
