import type { CancelSignal } from "../task/cancel_signal.ts";
import type { CallRequest, Outcome } from "../worker/worker.ts";
import type { Member } from "./_dispatch_crew.ts";
import type { QueueEntry } from "./_dispatch_queue.ts";

/** Where a call is on its way. */
export type CallPhase =
  | { readonly at: "queue"; readonly entry: QueueEntry<DispatchedCall> }
  | { readonly at: "worker"; readonly member: Member<DispatchedCall> }
  | { readonly at: "end" };

const END: CallPhase = { at: "end" };

/**
 * A call on its way through a dispatcher. One object with methods: tens of thousands may wait, and
 * closures would make each several times as large.
 */
export class DispatchedCall {
  /** What to run. */
  readonly request: CallRequest;
  /** What the caller awaits. */
  readonly result: PromiseWithResolvers<Outcome> = Promise.withResolvers();
  /** Where it is. */
  phase: CallPhase = END;
  readonly #giveUp: (call: DispatchedCall, reason: unknown) => void;
  readonly #signal: CancelSignal | undefined;
  readonly #started: (() => void) | undefined;
  #abort: (() => void) | undefined;

  /**
   * Creates a call that is nowhere yet.
   *
   * @param giveUp Is told when the signal gives the call up, and why.
   * @param request What to run.
   * @param signal Gives the call up.
   * @param started Is told each time when the call is sent to a worker.
   */
  constructor(
    giveUp: (call: DispatchedCall, reason: unknown) => void,
    request: CallRequest,
    signal: CancelSignal | undefined,
    started: (() => void) | undefined,
  ) {
    this.#giveUp = giveUp;
    this.request = request;
    this.#signal = signal;
    this.#started = started;
  }

  /** Begins to listen to the signal. */
  listen(): void {
    const signal = this.#signal;
    if (signal === undefined) return;
    if (signal.aborted) return this.#giveUp(this, signal.reason);
    this.#abort = () => this.#giveUp(this, signal.reason);
    signal.addEventListener("abort", this.#abort);
  }

  /** Stops listening to the signal. */
  unlisten(): void {
    // An aborted signal never calls again, and to search thousands of listeners takes long.
    if (this.#abort === undefined || this.#signal?.aborted !== false) return;
    this.#signal.removeEventListener("abort", this.#abort);
  }

  /** The call is at a worker now. */
  send(member: Member<DispatchedCall>): void {
    this.phase = { at: "worker", member };
    this.#started?.();
  }

  /** The call's way ends. */
  end(): CallPhase {
    const { phase } = this;
    this.phase = END;
    this.unlisten();
    return phase;
  }
}
