import type {} from "./worker_main.ts";
import { outside } from "../ambient.ts";
import type { Worker, WorkerType } from "../worker/worker.ts";
import type { WorkerHookCalls } from "./worker_hooks.ts";

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
    return await openInlineWorker((request) => calls.run(request), {
      name,
      close: () => calls.close(),
    });
  },
};

/** What the workers of one owner are. */
export interface WorkerSettings extends WorkerHookCalls {
  /** The kind. */
  readonly type: WorkerType;
}

/**
 * Gives what opens workers of a kind.
 *
 * @param settings The kind, and what each worker does beside running calls.
 * @returns Opens one worker more at each call.
 */
export function openWorkerOfType(settings: WorkerSettings): () => Promise<Worker> {
  const { type, init, retire } = settings;
  const open = OPENERS[type];
  let opened = 0;
  const openNext = () => open(`quiver-worker-${++opened}`);
  if (init === undefined && retire === undefined) return openNext;
  return async () => {
    const { addHooks } = await outside(() => import("./worker_hooks.ts"));
    return await addHooks(await openNext(), settings);
  };
}
