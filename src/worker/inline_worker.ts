import { abortable, type ArrivalCheck } from "../base/abortable.ts";
import { CancelledError, type WorkerDeath } from "../base/errors.ts";
import { toThrown } from "../value/codec/thrown_value.ts";
import { CALLBACK, type CloseReply, type ControlFrame, LEAVE, SHARE } from "./wire/frames.ts";
import type { SharedMessage } from "./wire/shared_values.ts";
import { Claims } from "./web/claims.ts";
import { BaseWorker, SentCalls, type WorkerTransport } from "./base_worker.ts";
import { planTransfer } from "./wire/large_buffers.ts";
import {
  type CallChannel,
  runCloseHook,
  runToOutcome,
  ServedCall,
  toRefusedOutcome,
} from "./served_calls.ts";
import { toRequestError } from "./wire/unclonable.ts";
import type { CallRequest, Outcome, RunCall, Worker, WorkerHooks } from "./worker.ts";

/** Options of {@linkcode openInlineWorker}. */
export interface OpenInlineWorkerOptions extends WorkerHooks {
  /** The worker's name, for messages. */
  name: string;
}

/**
 * Opens a worker that runs its calls in this isolate, one at a time. Arguments and results are
 * cloned, so that a task sees and gives what it would in a worker of its own.
 *
 * @param runCall Does the work of one call.
 * @param options Its name and its hooks.
 */
export function openInlineWorker(
  runCall: RunCall,
  options: OpenInlineWorkerOptions,
): Promise<Worker> {
  const claims = new Claims();
  const calls = new SentCalls(options.name, claims);
  const kind = new InlineKind(runCall, options, claims, calls);
  return Promise.resolve(new BaseWorker(options.name, calls, kind));
}

class InlineKind implements WorkerTransport {
  /** It runs in this isolate, and cannot be silent where that is not. */
  readonly patience = Infinity;
  readonly ended: Promise<WorkerDeath>;
  readonly #runCall: RunCall;
  readonly #hooks: WorkerHooks;
  readonly #claims: Claims;
  readonly #calls: SentCalls;
  readonly #end: (death: WorkerDeath) => void;
  readonly #line: CallChannel = {
    isAborted: (slot) => this.#claims.isAborted(slot),
    begin: (slot) => this.#claims.begin(slot),
    beginItem: (slot) => this.#claims.beginItem(slot),
    awaitItem: () => {},
    send: (slot, kind, data) => {
      this.#calls.receive([slot, "report", kind, structuredClone(data)]);
    },
  };
  #running: ServedCall | undefined;
  #leaving = false;
  /** There as soon as the close hook runs, which it does once. */
  #closed: Promise<CloseReply> | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(runCall: RunCall, hooks: WorkerHooks, claims: Claims, calls: SentCalls) {
    this.#runCall = runCall;
    this.#hooks = hooks;
    this.#claims = claims;
    this.#calls = calls;
    const { promise, resolve } = Promise.withResolvers<WorkerDeath>();
    this.ended = promise;
    this.#end = resolve;
  }

  send(slot: number, request: CallRequest, once: boolean): void {
    const copy = cloneRequest(request);
    this.#last = this.#last.then(() => this.#perform(slot, copy, once));
  }

  /** Nobody asks whether this isolate reads messages. */
  control([slot, type, data]: ControlFrame): void {
    const copy: unknown = structuredClone(data);
    // What `SentValues` has made.
    if (type === SHARE) return this.#hooks.takeShared?.(copy as SharedMessage);
    // Any other call in the slot has ended meanwhile.
    if (this.#running?.slot !== slot) return;
    if (type === CALLBACK) this.#running.answer(copy);
    else this.#running.abort(toThrown(copy));
  }

  close(): Promise<CloseReply> {
    this.#claims.close();
    return this.#closed ??= runCloseHook(this.#hooks);
  }

  stop(reason: string): WorkerDeath {
    this.#end({ reason });
    this.#running?.abort(new CancelledError(`Cannot finish the call: its worker ended: ${reason}`));
    // What a thread or a process has open ends with it; here it must be let go of.
    void this.#last.then(() => this.close());
    return { reason };
  }

  checkArrivals(): ArrivalCheck {
    return () => true;
  }

  stopped(signal: AbortSignal): Promise<boolean> {
    return abortable(this.#last, signal).then(() => true, () => false);
  }

  async #perform(slot: number, request: CallRequest, once: boolean): Promise<void> {
    const kept = !this.#leaving || once;
    const begins = kept && (this.#hooks.beginsAtOnce?.(request) ?? true);
    if (!this.#claims.claim(slot, begins) || !kept) {
      return this.#calls.resolve(slot, { type: "revoked" });
    }
    const call = this.#running = new ServedCall(slot, this.#line, begins);
    const outcome = await runToOutcome(this.#runCall, request, call);
    call.end();
    this.#running = undefined;
    this.#calls.resolve(slot, await cloneOutcome(outcome));
    const leaves = this.#hooks.afterCall?.(request) ?? false;
    if (leaves === false || !await leaves) return;
    this.#leaving = true;
    this.#calls.receive(LEAVE);
  }
}

/** What the call's code may call stays with the caller, and what is shared has gone before it. */
function cloneRequest({ callbacks: _, shared: _shared, ...request }: CallRequest): CallRequest {
  try {
    const plan = planTransfer(request.args, "copy");
    if (plan === undefined) return structuredClone(request);
    return structuredClone({ ...request, args: plan.values }, { transfer: plan.moved });
  } catch (cause) {
    throw toRequestError(request, cause);
  }
}

async function cloneOutcome(outcome: Outcome): Promise<Outcome> {
  try {
    return structuredClone(outcome);
  } catch (cause) {
    return await toRefusedOutcome(outcome, cause);
  }
}
