/**
 * What a process worker starts with; it loads as little as `worker_main.ts` does.
 *
 * @module
 */
import { exposeProcess } from "../../worker/process/expose_process.ts";
import { LazyCalls } from "./lazy_calls.ts";

const calls = new LazyCalls({ ownIsolate: true });
exposeProcess((request, control) => calls.run(request, control), calls);
// A call that needs it is told why it cannot be loaded.
await calls.load().catch(() => {});
