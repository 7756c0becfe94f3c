/** A module that awaits at its top level after it has exposed itself. */
import { exposeWorker } from "../../../src/worker/web/expose_worker.ts";
import { runCall } from "./run_call.ts";

void exposeWorker(runCall);
await new Promise((resolve) => setTimeout(resolve));
