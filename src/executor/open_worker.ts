import type {} from "./process_main.ts";
import type {} from "./worker_main.ts";
import { outside } from "../ambient.ts";
import { importLater } from "../import_later.ts";
import type { Worker, WorkerType } from "../worker/worker.ts";

type ProcessWorkers = typeof import("../worker/process_worker.ts");

/** What only a process can be given. */
export interface ProcessOptions {
  /** What the process may do. */
  readonly permissions?: Deno.PermissionOptions;
  /** Variables added to its environment. */
  readonly env?: { readonly [name: string]: string };
  /** Further flags of `deno run`. */
  readonly flags?: readonly string[];
}

type Open = (name: string, options: ProcessOptions) => Promise<Worker>;

/** How each kind of worker is opened; its code is loaded with the first worker. */
const OPENERS: { readonly [T in WorkerType]: Open } = {
  web: async (name) => {
    const { openWebWorker } = await outside(() => import("../worker/web_worker.ts"));
    return await openWebWorker(new URL("./worker_main.ts", import.meta.url), { name });
  },
  process: async (name, { permissions, env, flags }) => {
    const { openProcessWorker } = await importLater<ProcessWorkers>(
      "../worker/process_worker.ts",
      import.meta.url,
    );
    return await openProcessWorker(new URL("./process_main.ts", import.meta.url), {
      name,
      ...(permissions !== undefined && { permissions }),
      ...(env !== undefined && { env }),
      ...(flags !== undefined && { flags }),
    });
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

/**
 * Gives what opens workers of a kind.
 *
 * @param type The kind.
 * @param options What only a process can be given.
 * @returns Opens one worker more at each call.
 */
export function openWorkerOfType(
  type: WorkerType,
  options: ProcessOptions = {},
): () => Promise<Worker> {
  const open = OPENERS[type];
  let opened = 0;
  return () => open(`quiver-worker-${++opened}`, options);
}
