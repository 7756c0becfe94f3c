import { importLater } from "../../base/lazy_import.ts";
import type { CallControl, CallRequest, Outcome, WorkerHooks } from "../../worker/worker.ts";
import type { SharedMessage } from "../../worker/wire/shared_values.ts";
import type { CallContext } from "../wire/call_context.ts";
import type { ReceivedValue } from "./decode_tasks.ts";
import type { ResultCarrier } from "./result_carrier.ts";
import type { ChunkTools } from "./run_chunk.ts";
import type { Retirement } from "./retirement.ts";
import type { WorkerCalls } from "./worker_calls.ts";

/** Options of {@linkcode LazyCalls}. */
interface LazyCallsOptions {
  /**
   * Whether nobody else is in this isolate.
   *
   * @default {false}
   */
  readonly ownIsolate?: boolean;
  /** What who sends the calls is known by to those beneath them, if that is in this isolate. */
  readonly owner?: string | undefined;
}

/**
 * Runs calls with what is loaded late, so that a worker listens before it loads what runs calls, while
 * its parent makes the first call ready.
 */
export class LazyCalls implements WorkerHooks {
  readonly #ownIsolate: boolean;
  readonly #owner: string | undefined;
  #calls: WorkerCalls | undefined;
  #carrier: ResultCarrier | undefined;
  #loading: Promise<WorkerCalls> | undefined;
  #retirement: Retirement | undefined;
  /** What calls refer to. */
  readonly #shared = new Map<string, ReceivedValue>();

  /**
   * Loads nothing yet.
   *
   * @param options Whose worker it is.
   */
  constructor({ ownIsolate = false, owner }: LazyCallsOptions) {
    this.#ownIsolate = ownIsolate;
    this.#owner = owner;
  }

  /**
   * Runs a call.
   *
   * @param control What the call's code knows of who waits for it.
   * @returns How it ended.
   */
  run(request: CallRequest, control: CallControl): Outcome | Promise<Outcome> {
    const calls = this.#calls;
    if (calls === undefined) return this.load().then(() => this.run(request, control));
    if (isRetireTask(request)) return this.#setRetireTask(calls, request);
    const outcome = calls.run(request, control);
    return outcome instanceof Promise
      ? outcome.then((outcome) => this.#carry(outcome))
      : this.#carry(outcome);
  }

  #carry(outcome: Outcome): Outcome | Promise<Outcome> {
    return this.#carrier?.carry(outcome) ?? outcome;
  }

  beginsAtOnce(request: CallRequest): boolean {
    return this.#calls?.isPlain(request) ?? false;
  }

  takeShared(message: SharedMessage): void {
    const { id, dropped } = message;
    const known = this.#shared.get(id);
    if (dropped) {
      known?.memory?.guard?.settle();
      this.#shared.delete(id);
    } else if (known === undefined) this.#shared.set(id, { message });
    else {
      known.message = { ...known.message, ...message };
      known.arrived?.();
    }
  }

  /** Asks the `retire` task, if there is one, whether the worker leaves. */
  afterCall(request: CallRequest): boolean | Promise<boolean> {
    return this.#retirement !== undefined && !isRetireTask(request) && this.#retirement.ask();
  }

  /**
   * Lets go of what the calls have opened.
   *
   * @throws {WorkerDiedError} When the `retire` task has failed.
   * @throws {UnhandledFailuresError} When calls of executors that the calls have left open have failed,
   * and nobody has looked at their futures.
   */
  async close(): Promise<void> {
    try {
      await this.#retirement?.close();
    } finally {
      await this.#calls?.close();
    }
    if (this.#ownIsolate) this.#calls?.refuseUnhandled();
  }

  /**
   * Loads what runs calls, once; when that fails, the next call tries again.
   *
   * @returns What runs calls.
   */
  load(): Promise<WorkerCalls> {
    if (this.#loading !== undefined) return this.#loading;
    const loading = this.#import();
    this.#loading = loading;
    loading.catch(() => this.#loading = undefined);
    return loading;
  }

  /** Next to no worker has one. */
  async #setRetireTask(calls: WorkerCalls, request: CallRequest): Promise<Outcome> {
    const { Retirement } = await importLater<typeof import("./retirement.ts")>("retirement");
    const retirement = new Retirement((...call) => calls.run(...call), request);
    this.#retirement = retirement;
    calls.betweenItems = () => retirement.ask();
    return { type: "value", value: undefined, duration: 0, warnings: [] };
  }

  async #import(): Promise<WorkerCalls> {
    const [{ WorkerCalls }, { ResultCarrier }] = await Promise.all([
      importLater<typeof import("./worker_calls.ts")>("guest"),
      importLater<typeof import("./result_carrier.ts")>("carrier"),
    ]);
    const carrier = this.#carrier = new ResultCarrier();
    const carry: ChunkTools["carry"] = (ended) => carrier.carryItems(ended);
    return this.#calls = new WorkerCalls({ carry, owner: this.#owner, shared: this.#shared });
  }
}

function isRetireTask({ context }: CallRequest): boolean {
  // What `toCallContext` or `openWorkerOfType` made.
  return (context as CallContext | undefined)?.retire !== undefined;
}
