import { WorkerDiedError, WorkerInitError } from "../../base/errors.ts";
import { holdsSpecial } from "../../value/holds_special.ts";
import { toThrown } from "../../value/codec/thrown_value.ts";
import {
  type CallFollower,
  type CallListener,
  type CallRequest,
  type HookCall,
  PromisedCall,
  type RunResult,
  type Worker,
} from "../../worker/worker.ts";
import { type CallContext, NO_CONTEXT } from "../wire/call_context.ts";
import { encodeTasks } from "../wire/task_arguments.ts";

/** What the workers of one owner do beside running calls. */
export interface WorkerHookCalls {
  /** Runs once in each new worker, before its first call. */
  readonly init?: HookCall;
  /** Runs in the worker after each call, and says whether the worker leaves. */
  readonly retire?: HookCall;
}

/**
 * Makes a new worker ready: `init` is its first call, and `retire` follows each of its calls. Both
 * are calls like any other, so that every kind of worker can do it.
 *
 * @param worker The worker, just opened.
 * @param hooks What it is to run.
 * @param signal Gives `init` up.
 * @returns The worker to use.
 * @throws {WorkerInitError} When `init` fails; `cause` is what it threw, and the worker is ended.
 */
export async function addHooks(
  worker: Worker,
  { init, retire }: WorkerHookCalls,
  signal: AbortSignal,
): Promise<Worker> {
  if (init !== undefined) {
    const stop = () => worker.terminate();
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    try {
      await runHook(worker, init);
    } catch (cause) {
      worker.terminate();
      await worker.dead;
      throw new WorkerInitError(
        `Cannot start worker "${worker.name}": its \`init\` task "${init.task}" failed: ${
          describe(cause)
        }`,
        { cause },
      );
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }
  return retire === undefined ? worker : new RetiringWorker(worker, retire);
}

/** A call that waits until the worker is known to stay. */
interface WaitingCall {
  readonly request: CallRequest;
  readonly listener: CallListener;
}

type State =
  | { readonly state: "open" }
  | { readonly state: "closed"; readonly done: Promise<void> };

/**
 * A worker that asks itself after each call whether it leaves. Its owner has the result by then, and
 * may give it the next call meanwhile: that call waits here, and is given back if the worker leaves.
 */
class RetiringWorker implements Worker {
  readonly name: string;
  readonly dead: Promise<string>;
  readonly #worker: Worker;
  readonly #retire: HookCall;
  readonly #waiting: WaitingCall[] = [];
  #running: "nothing" | "call" | "hook" = "nothing";
  /** Made when somebody waits for the last call. */
  #rested: PromiseWithResolvers<void> | undefined;
  /** Why the worker leaves, when that is not its own wish. */
  #failure: WorkerDiedError | undefined;
  #state: State = { state: "open" };

  constructor(worker: Worker, retire: HookCall) {
    this.name = worker.name;
    this.dead = worker.dead;
    this.#worker = worker;
    this.#retire = retire;
  }

  get room(): number {
    return Math.max(0, this.#worker.room - this.#waiting.length);
  }

  send(request: CallRequest, listener: CallListener): void {
    if (this.#state.state === "closed") return giveBack(listener);
    this.#waiting.push({ request, listener });
    if (this.#running === "nothing") void this.#serve();
  }

  run(request: CallRequest, follower?: CallFollower): Promise<RunResult> {
    const call = new PromisedCall(follower);
    this.send(request, call);
    return call.result;
  }

  abort(follower: CallFollower, reason: unknown): void {
    this.#worker.abort(follower, reason);
  }

  revoke(): boolean {
    const newest = this.#waiting.pop();
    if (newest !== undefined) giveBack(newest.listener);
    return newest !== undefined || (this.#running === "call" && this.#worker.revoke());
  }

  close(): Promise<void> {
    if (this.#state.state === "open") this.#state = { state: "closed", done: this.#close() };
    return this.#state.done;
  }

  terminate(): void {
    if (this.#state.state === "open") this.#state = { state: "closed", done: Promise.resolve() };
    this.#running = "nothing";
    this.#giveBack();
    this.#worker.terminate();
  }

  stopped(signal: AbortSignal): Promise<boolean> {
    return this.#worker.stopped(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #serve(): Promise<void> {
    for (let call = this.#waiting.shift(); call !== undefined; call = this.#waiting.shift()) {
      this.#running = "call";
      const { listener } = call;
      let result: RunResult;
      try {
        result = await this.#worker.run(call.request, listener.follower);
      } catch (error) {
        // The call did not run, or the worker is dead.
        listener.failed(error);
        continue;
      }
      listener.ended(result);
      if (result.type === "revoked") continue;
      this.#running = "hook";
      await this.#mayLeave();
    }
    this.#running = "nothing";
    this.#rested?.resolve();
  }

  async #mayLeave(): Promise<void> {
    try {
      if (!await runHook(this.#worker, this.#retire)) return;
    } catch (cause) {
      // The hook did not fail: the worker was terminated.
      if (this.#running === "nothing") return;
      const reason = `its \`retire\` task "${this.#retire.task}" failed: ${describe(cause)}`;
      const message = `Cannot keep worker "${this.name}": ${reason}`;
      this.#failure = new WorkerDiedError(message, { reason }, { cause });
    }
    this.#giveBack();
    if (this.#state.state === "closed") return;
    const done = this.#end();
    // Whoever owns the worker closes it when it is dead, and is told then.
    done.catch(() => {});
    this.#state = { state: "closed", done };
  }

  #giveBack(): void {
    for (const { listener } of this.#waiting.splice(0)) giveBack(listener);
  }

  async #close(): Promise<void> {
    if (this.#running !== "nothing") {
      this.#rested ??= Promise.withResolvers<void>();
      await this.#rested.promise;
    }
    await this.#end();
  }

  async #end(): Promise<void> {
    await this.#worker.close();
    if (this.#failure !== undefined) throw this.#failure;
  }
}

/** A call that has not run may go elsewhere, when whoever gives it back is done. */
function giveBack(listener: CallListener): void {
  queueMicrotask(() => listener.ended({ type: "revoked" }));
}

/** Runs a hook in its worker, and gives what it returned. */
async function runHook(worker: Worker, hook: HookCall): Promise<unknown> {
  const result = await worker.run(toRequest(hook));
  if (result.type === "value") return result.value;
  if (result.type === "error") throw toThrown(result.error.thrown);
  throw new Error(`the worker ended before: ${await worker.dead}`);
}

function toRequest(hook: HookCall): CallRequest {
  if (!holdsSpecial(hook.args)) return { ...hook, context: undefined };
  const { args, tasks, callbacks } = encodeTasks(hook.args, hook.task);
  const called = callbacks.length > 0;
  const context: CallContext = { ...NO_CONTEXT, tasks, ...(called && { callbacks: called }) };
  return { ...hook, args, context, ...(called && { callbacks }) };
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
