import { openWebWorker } from "../../../src/worker/web/web_worker.ts";

/** Started while this module is imported, which is what is forbidden. */
export const worker = await openWebWorker(new URL("./entry.ts", import.meta.url), {
  name: "nested",
});
