import { outside } from "../../base/ambient.ts";
import { importLater, LateModule } from "../../base/lazy_import.ts";
import type { ProcessOptions, Worker, WorkerType } from "../../worker/worker.ts";
import type {} from "../guest/process_main.ts";
import type {} from "../guest/worker_main.ts";
import type { WorkerHookCalls } from "./worker_hooks.ts";

type WebWorkers = typeof import("../../worker/web/web_worker.ts");
type ProcessWorkers = typeof import("../../worker/process/process_worker.ts");
type InlineWorkers = typeof import("../../worker/inline_worker.ts");
type Calls = typeof import("../guest/lazy_calls.ts");
type Hooks = typeof import("./worker_hooks.ts");

type Open = (name: string, signal: AbortSignal, options: ProcessOptions) => Promise<Worker>;

const WEB_WORKERS: LateModule<WebWorkers> = new LateModule(() =>
  import("../../worker/web/web_worker.ts")
);
const INLINE_WORKERS: LateModule<[InlineWorkers, Calls]> = new LateModule(() =>
  Promise.all([import("../../worker/inline_worker.ts"), import("../guest/lazy_calls.ts")])
);
const HOOKS: LateModule<Hooks> = new LateModule(() => import("./worker_hooks.ts"));

/** How each kind of worker is opened; its code is loaded with the first worker. */
const OPENERS: { readonly [T in WorkerType]: Open } = {
  web: async (name, signal) => {
    const { openWebWorker } = await WEB_WORKERS.load();
    return await openWebWorker(new URL("../guest/worker_main.ts", import.meta.url), {
      name,
      signal,
    });
  },
  process: async (name, signal, { permissions, env, flags }) => {
    const { openProcessWorker } = await importLater<ProcessWorkers>(
      "../../worker/process/process_worker.ts",
      import.meta.url,
    );
    return await openProcessWorker(new URL("../guest/process_main.ts", import.meta.url), {
      name,
      signal,
      ...(permissions !== undefined && { permissions }),
      ...(env !== undefined && { env }),
      ...(flags !== undefined && { flags }),
    });
  },
  inline: async (name) => {
    const [{ openInlineWorker }, { LazyCalls }] = await INLINE_WORKERS.load();
    const calls = new LazyCalls();
    // Not in the scope of the first call.
    await outside(() => calls.load());
    return await openInlineWorker((request, control) => calls.run(request, control), {
      name,
      close: () => calls.close(),
    });
  },
};

/** What the workers of one owner are. */
interface WorkerSettings extends WorkerHookCalls {
  /** The kind. */
  readonly type: WorkerType;
  /** What only workers of the kind `"process"` can be given. */
  readonly processOptions?: ProcessOptions;
}

/**
 * Gives what opens workers of a kind.
 *
 * @param settings The kind, and what each worker does beside running calls.
 * @returns Opens one worker more at each call; the signal gives the start up.
 */
export function openWorkerOfType(
  settings: WorkerSettings,
): (signal: AbortSignal) => Promise<Worker> {
  const { type, init, retire, processOptions = {} } = settings;
  const open = OPENERS[type];
  let opened = 0;
  const openNext = (signal: AbortSignal) =>
    open(`quiver-worker-${++opened}`, signal, processOptions);
  if (init === undefined && retire === undefined) return openNext;
  return async (signal) => {
    const { addHooks } = await HOOKS.load();
    return await addHooks(await openNext(signal), settings, signal);
  };
}
