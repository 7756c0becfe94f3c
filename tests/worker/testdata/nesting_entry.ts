/** Each call imports a module that starts a worker at its top level. */
import { currentWorker, importInWorker } from "../../../src/worker/current_worker.ts";
import { exposeWorker } from "../../../src/worker/web/expose_worker.ts";
import type { CallControl, CallRequest, Outcome } from "../../../src/worker/worker.ts";
import { runToOutcome } from "../../../src/worker/served_calls.ts";

const NESTING = new URL("./nesting_module.ts", import.meta.url).href;

void exposeWorker((request: CallRequest, control: CallControl) =>
  runToOutcome(
    async (): Promise<Outcome> => {
      const value = request.task === "current"
        ? currentWorker()
        : await importInWorker(NESTING, () => import("./nesting_module.ts"));
      return { type: "value", value, duration: 0, warnings: [] };
    },
    request,
    control,
  )
);
