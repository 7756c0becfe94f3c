import { exposeProcess } from "../../../src/worker/process/expose_process.ts";
import { runCall } from "./run_call.ts";

exposeProcess(runCall);
