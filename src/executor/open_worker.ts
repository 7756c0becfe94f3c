import type {} from "./worker_main.ts";
import { openInlineWorker } from "../worker/inline_worker.ts";
import { openWebWorker } from "../worker/web_worker.ts";
import type { Worker, WorkerType } from "../worker/worker.ts";
import { WorkerCalls } from "./worker_calls.ts";

/** How each kind of worker is opened. */
const OPENERS: { readonly [T in WorkerType]: (name: string) => Promise<Worker> } = {
  web: (name) => openWebWorker(new URL("./worker_main.ts", import.meta.url), { name }),
  inline: (name) => {
    const calls = new WorkerCalls();
    return openInlineWorker((request) => calls.run(request), { name, close: () => calls.close() });
  },
};

/**
 * Gives what opens workers of a kind.
 *
 * @param type The kind.
 * @returns Opens one worker more at each call.
 * @throws {TypeError} When there is no such kind.
 */
export function openWorkerOfType(type: WorkerType): () => Promise<Worker> {
  const open = OPENERS[type];
  if (!Object.hasOwn(OPENERS, type)) {
    throw new TypeError(
      `Cannot create an executor: \`workerType\` is one of ${Object.keys(OPENERS).join(", ")}, ` +
        `not ${JSON.stringify(type)}`,
    );
  }
  let opened = 0;
  return () => open(`quiver-worker-${++opened}`);
}
