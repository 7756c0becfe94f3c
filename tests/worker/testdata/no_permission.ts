/** Run without `--allow-read`: prints how the start of a worker fails. */
import { openWebWorker } from "../../../src/worker/web/web_worker.ts";

try {
  await openWebWorker(new URL("./entry.ts", import.meta.url), { name: "forbidden" });
} catch (error) {
  if (!(error instanceof Error) || !(error.cause instanceof Error)) throw error;
  console.log(`${error.name}\n${error.message}\n${error.cause.message}`);
}
