/** Opens a process worker, prints its pid, and runs a deed: `deed [argument]`. */
import { openProcessWorker } from "../../../src/worker/process/process_worker.ts";

const [task = "noop", ...args] = Deno.args;
const request = { module: "file:///deeds.ts", task, args, context: undefined };
await using worker = await openProcessWorker(new URL("./process_entry.ts", import.meta.url), {
  name: "child",
});
await worker.run(request);
