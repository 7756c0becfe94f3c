import { importLater } from "../../base/lazy_import.ts";
import { isOfSystem } from "../../base/system_error.ts";
import { WorkerInitError } from "../../base/errors.ts";
import { taskModules } from "../../task/definition.ts";
import { toThrown } from "../../value/codec/thrown_value.ts";
import { holdsSpecial } from "../../value/holds_special.ts";
import type {
  CallRequest,
  HookCall,
  ProcessOptions,
  Worker,
  WorkerType,
} from "../../worker/worker.ts";
import { LazyCalls } from "../guest/lazy_calls.ts";
import type {} from "../guest/process_main.ts";
import type {} from "../guest/worker_main.ts";
import { type CallContext, NO_CONTEXT } from "../wire/call_context.ts";
import { encodeTasks } from "../wire/task_arguments.ts";

type Open = (name: string, signal: AbortSignal, options: OpenOptions) => Promise<Worker>;

/** What only one kind of worker needs. */
interface OpenOptions extends ProcessOptions {
  /** What the owner of an inline worker is known by to the calls beneath those that it runs. */
  readonly owner: string | undefined;
}

/** How each kind of worker is opened; its code is loaded with the first worker. */
const OPENERS: { readonly [T in WorkerType]: Open } = {
  web: async (name, signal) => {
    const { openWebWorker } = await importLater<typeof import("../../worker/web/web_worker.ts")>(
      "web",
    );
    return await openWebWorker(new URL("../guest/worker_main.ts", import.meta.url), {
      name,
      signal,
    });
  },
  process: async (name, signal, { permissions, env, flags }) => {
    const { openProcessWorker } = await importLater<
      typeof import("../../worker/process/process_worker.ts")
    >("process");
    return await openProcessWorker(new URL("../guest/process_main.ts", import.meta.url), {
      name,
      signal,
      modules: taskModules,
      ...(permissions !== undefined && { permissions }),
      ...(env !== undefined && { env }),
      ...(flags !== undefined && { flags }),
    });
  },
  inline: async (name, _signal, { owner }) => {
    const { openInlineWorker } = await importLater<typeof import("../../worker/inline_worker.ts")>(
      "inline",
    );
    const calls = new LazyCalls({ owner });
    await calls.load();
    return await openInlineWorker((request, control) => calls.run(request, control), {
      name,
      beginsAtOnce: (request) => calls.beginsAtOnce(request),
      afterCall: (request) => calls.afterCall(request),
      takeShared: (message) => calls.takeShared(message),
      close: () => calls.close(),
    });
  },
};

/** What the workers of one owner do beside running calls. */
export interface WorkerHookCalls {
  /** Runs once in each new worker, before its first call. */
  readonly init?: HookCall;
  /** Runs in the worker after each call, and says whether the worker leaves. */
  readonly retire?: HookCall;
}

/** What the workers of one owner are. */
interface WorkerSettings extends WorkerHookCalls {
  /** The kind. */
  readonly type: WorkerType;
  /** What only workers of the kind `"process"` can be given. */
  readonly processOptions?: ProcessOptions;
  /** What the owner of inline workers is known by. */
  readonly owner?: string | undefined;
}

/**
 * Gives what opens workers of a kind.
 *
 * @param settings The kind, and what each worker does beside running calls.
 * @returns Opens one worker more at each call; the signal gives the start up. It rejects with
 * `WorkerInitError` when `init` fails, or the system does not give what a worker needs; its `cause` is
 * what was thrown.
 */
export function openWorkerOfType(
  settings: WorkerSettings,
): (signal: AbortSignal) => Promise<Worker> {
  const { type, init, retire, processOptions = {}, owner } = settings;
  const open = OPENERS[type];
  let opened = 0;
  return async (signal) => {
    const name = `quiver-worker-${++opened}`;
    const worker = await open(name, signal, { ...processOptions, owner }).catch((cause) => {
      if (cause instanceof WorkerInitError || !isOfSystem(cause)) throw cause;
      throw new WorkerInitError(`Cannot start worker "${name}": ${cause.message}`, { cause });
    });
    // Both are calls like any other, so that every kind of worker can do it.
    if (init !== undefined) await prepare(worker, { name: "init", hook: init }, signal);
    if (retire !== undefined) await prepare(worker, { name: "retire", hook: retire }, signal);
    return worker;
  };
}

/** What a worker is made ready with. */
interface NamedHook {
  readonly name: "init" | "retire";
  readonly hook: HookCall;
}

async function prepare(
  worker: Worker,
  { name, hook }: NamedHook,
  signal: AbortSignal,
): Promise<void> {
  const stop = () => worker.terminate();
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  try {
    const retire = name === "retire" ? { retire: worker.name } : undefined;
    const result = await worker.run(toRequest(hook, retire));
    if (result.type === "error") throw toThrown(result.error.thrown);
    if (result.type === "revoked") throw new Error(`the worker ended before: ${await worker.dead}`);
  } catch (cause) {
    worker.terminate();
    await worker.dead;
    const what = `its \`${name}\` task "${hook.task}" failed`;
    const why = cause instanceof Error ? cause.message : cause;
    const message = `Cannot start worker "${worker.name}": ${what}: ${why}`;
    throw new WorkerInitError(message, { cause, hook: name });
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function toRequest(hook: HookCall, retire: Pick<CallContext, "retire"> | undefined): CallRequest {
  if (!holdsSpecial(hook.args)) {
    return { ...hook, context: retire && { ...NO_CONTEXT, ...retire } satisfies CallContext };
  }
  const { args, tasks, callbacks, shared } = encodeTasks(hook.args, hook.task);
  const called = callbacks.length > 0;
  if (called && retire !== undefined) {
    throw new TypeError("it has a callback among its arguments, and is asked between calls");
  }
  const needs = shared.map(({ id }) => id);
  const own = { tasks, needs, ...retire, ...(called && { callbacks: true }) };
  const context = { ...NO_CONTEXT, ...own } satisfies CallContext;
  return { ...hook, args, context, shared, ...(called && { callbacks }) };
}
