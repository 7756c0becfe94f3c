import type {} from "./worker_main.ts";
import { outside } from "../ambient.ts";
import type { Worker, WorkerType } from "../worker/worker.ts";

/** How each kind of worker is opened; its code is loaded with the first worker. */
const OPENERS: { readonly [T in WorkerType]: (name: string) => Promise<Worker> } = {
  web: async (name) => {
    const { openWebWorker } = await outside(() => import("../worker/web_worker.ts"));
    return await openWebWorker(new URL("./worker_main.ts", import.meta.url), { name });
  },
  inline: async (name) => {
    const [{ openInlineWorker }, { WorkerCalls }] = await outside(() =>
      Promise.all([import("../worker/inline_worker.ts"), import("./worker_calls.ts")])
    );
    const calls = new WorkerCalls();
    return await openInlineWorker((request, control) => calls.run(request, control), {
      name,
      close: () => calls.close(),
    });
  },
};

/**
 * Gives what opens workers of a kind.
 *
 * @param type The kind.
 * @returns Opens one worker more at each call.
 */
export function openWorkerOfType(type: WorkerType): () => Promise<Worker> {
  const open = OPENERS[type];
  let opened = 0;
  return () => open(`quiver-worker-${++opened}`);
}
