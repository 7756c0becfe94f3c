import { exposeProcess } from "../../../src/worker/expose_process.ts";
import { runCall } from "./run_call.ts";

exposeProcess(runCall);
