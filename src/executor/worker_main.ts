/**
 * What a web worker starts with. It loads little: the rest comes with the module of the first task.
 *
 * @module
 */
import { exposeWorker } from "../worker/expose_worker.ts";
import { WorkerCalls } from "./worker_calls.ts";

const calls = new WorkerCalls();
exposeWorker((request) => calls.run(request), { close: () => calls.close() });
