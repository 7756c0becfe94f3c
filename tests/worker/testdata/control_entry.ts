import { exposeWorker } from "../../../src/worker/expose_worker.ts";
import { runControl } from "./run_control.ts";

void exposeWorker(runControl);
