// Opens a worker by itself, with a limit for its start.
import type { Worker } from "../../../src/worker/worker.ts";

/**
 * Starts a worker.
 *
 * @param startTimeout How long it may take, in milliseconds.
 */
export async function open(type: "web" | "process", startTimeout: number): Promise<Worker> {
  const options = { name: "test-worker", startTimeout };
  if (type === "web") {
    const { openWebWorker } = await import("../../../src/worker/web/web_worker.ts");
    return await openWebWorker(new URL("../../worker/testdata/entry.ts", import.meta.url), options);
  }
  const { openProcessWorker } = await import("../../../src/worker/process/process_worker.ts");
  const entry = new URL("../../worker/testdata/process_entry.ts", import.meta.url);
  return await openProcessWorker(entry, options);
}
