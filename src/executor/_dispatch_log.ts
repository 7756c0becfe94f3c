import { WorkerDiedError } from "../base/errors.ts";
import type { Outcome } from "../worker/worker.ts";
import { CallTally } from "./_call_tally.ts";
import type { DispatchedCall } from "./_dispatch_call.ts";
import type { SafeObserver } from "./_safe_observer.ts";
import { TurnClock } from "./_turn_clock.ts";
import type { FinishedCall, ObservedCall } from "./executor_observer.ts";

/** What happens to the calls of a dispatcher: counted, and told to an observer if there is one. */
export class DispatchLog {
  /** How the calls have ended. */
  readonly tally = new CallTally();
  /** What tells how long calls are on their way. */
  readonly clock = new TurnClock();
  readonly #observer: SafeObserver | undefined;

  /**
   * Begins to count.
   *
   * @param observer Who is told.
   */
  constructor(observer: SafeObserver | undefined) {
    this.#observer = observer;
  }

  /** A call waits for a worker. */
  queued(call: DispatchedCall): void {
    this.#observer?.tell("queued", toObserved(call));
  }

  /** A call was sent to a worker. */
  sent(call: DispatchedCall, worker: string): void {
    this.#observer?.tell("started", { ...toObserved(call), worker });
  }

  /** A call that somebody waits for came back from its worker. */
  ran(call: DispatchedCall, outcome: Outcome): void {
    this.tally.ran(outcome, this.clock.now - call.since);
  }

  /** A call that somebody waits for failed before it had an outcome. */
  failed(error: unknown): void {
    if (error instanceof WorkerDiedError) this.tally.died();
  }

  /** A call that has failed is run once more. */
  retried(call: DispatchedCall, error: unknown): void {
    this.tally.retried();
    this.#observer?.tell("retried", { ...toObserved(call), attempt: call.retried + 1, error });
  }

  /** A call has its outcome. */
  resolved(call: DispatchedCall, { type }: Outcome): void {
    this.#observer?.tell("finished", toFinished(call, type));
  }

  /** A call has none. */
  rejected(call: DispatchedCall, reason: unknown): void {
    const outcome = reason instanceof WorkerDiedError ? "died" : "dropped";
    this.#observer?.tell("finished", toFinished(call, outcome));
  }
}

function toObserved({ id, request }: DispatchedCall): ObservedCall {
  return { id, task: request.task };
}

function toFinished(call: DispatchedCall, outcome: FinishedCall["outcome"]): FinishedCall {
  return { ...toObserved(call), outcome, time: performance.now() - call.since };
}
