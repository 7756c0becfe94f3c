import type { CancelSignal } from "../task/cancel_signal.ts";
import type { CallRequest, Outcome } from "../worker/worker.ts";
import type { Member } from "./_dispatch_crew.ts";
import type { QueueEntry } from "./_dispatch_queue.ts";

/** Where a call is on its way. */
export type CallPhase =
  | { readonly at: "queue"; readonly entry: QueueEntry<DispatchedCall> }
  | { readonly at: "worker"; readonly member: Member<DispatchedCall> }
  | { readonly at: "end" };

/** Who follows a call. */
export interface CallObserver {
  /** Gives the call up, whether it waits or runs. */
  readonly cancellation?: CancelSignal;
  /** Told each time when the call is sent to a worker. */
  started?(): void;
  /** Told each time when a call that was sent waits again. */
  waits?(): void;
  /**
   * Calls of a higher priority go first.
   *
   * @default {0}
   */
  readonly priority?: number;
  /** How often the call is run again when it fails; as the dispatcher says, if not given. */
  readonly retries?: number;
}

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
  /** When it was given to the dispatcher. */
  readonly since: number;
  /** Tells it from others where somebody observes them. */
  readonly id: number;
  /** Calls of a higher priority go first. */
  readonly priority: number;
  /** How often it has failed and was run again. */
  retried = 0;
  /** Where it is. */
  phase: CallPhase = END;
  readonly #giveUp: (call: DispatchedCall, reason: unknown) => void;
  readonly #observer: CallObserver;

  /**
   * Creates a call that is nowhere yet.
   *
   * @param giveUp Is told when the signal gives the call up, and why.
   * @param request What to run.
   * @param observer Gives the call up, and is told when it starts.
   * @param id Tells it from others.
   * @param now The time.
   */
  constructor(
    giveUp: (call: DispatchedCall, reason: unknown) => void,
    request: CallRequest,
    observer: CallObserver,
    id: number,
    now: number,
  ) {
    this.#giveUp = giveUp;
    this.request = request;
    this.#observer = observer;
    this.id = id;
    this.since = now;
    this.priority = observer.priority ?? 0;
  }

  /** How often it may be run again; `undefined` when it does not say. */
  get retries(): number | undefined {
    return this.#observer.retries;
  }

  /** Begins to listen to the signal. */
  listen(): void {
    const { cancellation } = this.#observer;
    if (cancellation?.aborted === true) this.handleEvent();
    else cancellation?.addEventListener("abort", this);
  }

  /** The signal gives the call up. */
  handleEvent(): void {
    this.#giveUp(this, this.#observer.cancellation?.reason);
  }

  /** Stops listening to the signal. */
  unlisten(): void {
    const { cancellation } = this.#observer;
    // An aborted signal never calls again, and to search thousands of listeners takes long.
    if (cancellation?.aborted === false) cancellation.removeEventListener("abort", this);
  }

  /** The call is at a worker now. */
  send(member: Member<DispatchedCall>): void {
    this.phase = { at: "worker", member };
    this.#observer.started?.();
  }

  /** The call waits in the queue. */
  wait(entry: QueueEntry<DispatchedCall>): void {
    if (this.phase.at === "worker") this.#observer.waits?.();
    this.phase = { at: "queue", entry };
  }

  /** The call's way ends. */
  end(): CallPhase {
    const { phase } = this;
    this.phase = END;
    this.unlisten();
    return phase;
  }
}
