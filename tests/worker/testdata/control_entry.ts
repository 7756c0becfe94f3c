import { exposeWorker } from "../../../src/worker/web/expose_worker.ts";
import { runControl } from "./run_control.ts";

void exposeWorker(runControl);
