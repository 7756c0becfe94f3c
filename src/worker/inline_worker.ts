import { Claims } from "./_claims.ts";
import { runToOutcome, toRefusedOutcome } from "./_run_to_outcome.ts";
import { SentCalls } from "./_sent_calls.ts";
import { toRequestError } from "./_unclonable.ts";
import type { CallRequest, Outcome, RunCall, RunResult, Worker, WorkerHooks } from "./worker.ts";

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

  async run(request: CallRequest): Promise<RunResult> {
    if (this.#state.state === "closed") return { type: "revoked" };
    const copy = cloneRequest(request);
    const call = this.#calls.add(request.task);
    this.#last = this.#last.then(() => this.#perform(call.slot, copy));
    return await call.result.promise;
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
    this.#calls.fail("it was terminated");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #perform(slot: number, request: CallRequest): Promise<void> {
    if (!this.#claims.claim(slot)) return this.#calls.resolve(slot, { type: "revoked" });
    this.#calls.resolve(slot, await cloneOutcome(await runToOutcome(this.#runCall, request)));
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
