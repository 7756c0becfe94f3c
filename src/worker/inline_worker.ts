import { CancelledError } from "../errors.ts";
import { toThrown } from "../value/thrown_value.ts";
import { Claims } from "./_claims.ts";
import { runToOutcome, toRefusedOutcome } from "./_run_to_outcome.ts";
import { SentCalls } from "./_sent_calls.ts";
import { type CallLine, ServedCall } from "./_served_call.ts";
import { toRequestError } from "./_unclonable.ts";
import type {
  CallFollower,
  CallRequest,
  Outcome,
  RunCall,
  RunResult,
  Worker,
  WorkerHooks,
} from "./worker.ts";

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
 * @returns The worker.
 */
export function openInlineWorker(
  runCall: RunCall,
  options: OpenInlineWorkerOptions,
): Promise<Worker> {
  return Promise.resolve(new InlineWorker(runCall, options));
}

type State =
  | { readonly state: "open" }
  | { readonly state: "closed"; readonly done: Promise<void> };

class InlineWorker implements Worker {
  readonly name: string;
  readonly dead: Promise<string>;
  readonly #runCall: RunCall;
  readonly #hooks: WorkerHooks;
  readonly #claims = new Claims();
  readonly #calls: SentCalls;
  readonly #die: (reason: string) => void;
  readonly #line: CallLine = {
    isAborted: (slot) => this.#claims.isAborted(slot),
    tell: (slot, kind, data) => this.#calls.receive([slot, "report", kind, data]),
  };
  #running: ServedCall | undefined;
  #last: Promise<void> = Promise.resolve();
  #state: State = { state: "open" };

  constructor(runCall: RunCall, options: OpenInlineWorkerOptions) {
    this.name = options.name;
    this.#runCall = runCall;
    this.#hooks = options;
    this.#calls = new SentCalls(options.name, this.#claims);
    const { promise, resolve } = Promise.withResolvers<string>();
    this.dead = promise;
    this.#die = resolve;
  }

  get pending(): number {
    return this.#calls.size;
  }

  async run(request: CallRequest, follower?: CallFollower): Promise<RunResult> {
    if (this.#state.state === "closed") return { type: "revoked" };
    const copy = cloneRequest(request);
    const call = this.#calls.add(request.task, follower);
    this.#last = this.#last.then(() => this.#perform(call.slot, copy));
    return await call.result.promise;
  }

  abort(follower: CallFollower, reason: unknown): void {
    const frame = this.#calls.abort(follower, reason);
    if (frame !== undefined) this.#running?.abort(toThrown(structuredClone(frame[2])));
  }

  revoke(): boolean {
    return this.#calls.revokeNewest();
  }

  close(): Promise<void> {
    if (this.#state.state === "open") this.#state = { state: "closed", done: this.#close() };
    return this.#state.done;
  }

  terminate(): void {
    if (this.#state.state === "open") this.#state = { state: "closed", done: Promise.resolve() };
    this.#die("it was terminated");
    this.#calls.fail({ reason: "it was terminated", ending: "killed" });
    this.#running?.abort(
      new CancelledError(`Cannot finish the call: worker "${this.name}" was terminated`),
    );
  }

  async stopped(signal: AbortSignal): Promise<boolean> {
    const ended = Promise.withResolvers<boolean>();
    const giveUp = () => ended.resolve(false);
    signal.addEventListener("abort", giveUp);
    void this.#last.then(() => ended.resolve(true));
    try {
      return signal.aborted ? false : await ended.promise;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #perform(slot: number, request: CallRequest): Promise<void> {
    if (!this.#claims.claim(slot)) return this.#calls.resolve(slot, { type: "revoked" });
    const call = this.#running = new ServedCall(slot, this.#line);
    const outcome = await runToOutcome(this.#runCall, request, call);
    call.end();
    this.#running = undefined;
    this.#calls.resolve(slot, await cloneOutcome(outcome));
  }

  async #close(): Promise<void> {
    await this.#calls.drained();
    try {
      await Promise.race([this.#hooks.close?.(), this.dead]);
    } finally {
      this.#die("it was closed");
    }
  }
}

function cloneRequest(request: CallRequest): CallRequest {
  try {
    return structuredClone(request);
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
