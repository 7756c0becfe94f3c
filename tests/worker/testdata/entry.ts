import { exposeWorker } from "../../../src/worker/web/expose_worker.ts";
import { runCall } from "./run_call.ts";

void exposeWorker(runCall);
