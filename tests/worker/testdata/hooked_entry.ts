/** Its close hook leaves a trace in the memory that the task `hook` was given, or throws. */
import { exposeWorker } from "../../../src/worker/web/expose_worker.ts";
import type { CallRequest } from "../../../src/worker/worker.ts";
import { runCall } from "./run_call.ts";

let memory: SharedArrayBuffer | undefined;

void exposeWorker((request: CallRequest) => {
  if (request.task !== "hook") return runCall(request);
  [memory] = request.args as [SharedArrayBuffer | undefined];
  return { type: "value", value: undefined, duration: 0, warnings: [] };
}, {
  close: async () => {
    await Promise.resolve();
    if (memory === undefined) throw new RangeError("the hook failed");
    Atomics.add(new Int32Array(memory), 0, 1);
  },
});
