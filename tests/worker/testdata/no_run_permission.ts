/** Run without `--allow-run`: prints how the start of a process worker fails. */
import { openProcessWorker } from "../../../src/worker/process/process_worker.ts";

try {
  await openProcessWorker(new URL("./process_entry.ts", import.meta.url), { name: "forbidden" });
} catch (error) {
  if (!(error instanceof Error) || !(error.cause instanceof Error)) throw error;
  console.log(`${error.name}\n${error.message}\n${error.cause.name}`);
}
