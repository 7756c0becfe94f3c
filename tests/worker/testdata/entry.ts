import { exposeWorker } from "../../../src/worker/expose_worker.ts";
import { runCall } from "./run_call.ts";

void exposeWorker(runCall);
