import { CancelledError, WorkerDiedError } from "../../base/errors.ts";
import type { CallRequest, Outcome } from "../../worker/worker.ts";
import type { FinishedCall, ObservedCall } from "../call_options.ts";
import {
  type CallDesk,
  type CallObserver,
  DispatchedCall,
  errorOf,
  isRetriable,
  type OutcomeListener,
} from "./call.ts";
import type { SafeObserver } from "./observer.ts";
import { PriorityQueue } from "./queue.ts";
import { CallCounters, TurnClock } from "./statistics.ts";

/** Options of {@linkcode DispatchCalls}. */
export interface DispatchCallsOptions extends CallDesk {
  /** How often a call is run again when it fails, if it does not say so itself. */
  readonly retries: number;
  /** Follows the calls. */
  readonly observer: SafeObserver | undefined;
}

/** The calls of a dispatcher: who waits, in which order, and how each comes to its end. */
export class DispatchCalls {
  readonly #options: DispatchCallsOptions;
  readonly #queue = new PriorityQueue<DispatchedCall>();
  /** What has happened to them. */
  readonly log: DispatchMetrics;
  #admitted = 0;
  /** Those that have not ended. */
  #unended = 0;
  /** Whether a call that comes back waits again. */
  #keeping = true;
  #drained: PromiseWithResolvers<void> | undefined;

  /**
   * Creates an empty list.
   *
   * @param options What holds for all calls.
   */
  constructor(options: DispatchCallsOptions) {
    this.#options = options;
    this.log = new DispatchMetrics(options.observer);
  }

  /** How many wait. */
  get waiting(): number {
    return this.#queue.size;
  }

  /**
   * Takes a call, which waits from now on.
   *
   * @param request What to run.
   * @param observer Gives the call up, and is told when it starts.
   * @param listener Told how it ended.
   * @returns The call.
   */
  admit(request: CallRequest, observer: CallObserver, listener: OutcomeListener): DispatchedCall {
    const { now } = this.log.clock;
    const id = ++this.#admitted;
    const call = new DispatchedCall(this.#options, request, observer, listener, id, now);
    this.#unended++;
    call.wait();
    this.#queue.push(call);
    this.log.queued(call);
    call.listen();
    return call;
  }

  /** Takes the call from the queue that goes first. */
  next(): DispatchedCall | undefined {
    return this.#queue.shift();
  }

  /** A call comes back from a worker that has not run it: it goes before all others. */
  reenter(call: DispatchedCall): void {
    if (this.#keeping) {
      call.wait();
      return this.#queue.unshift(call);
    }
    const { task } = call.request;
    this.reject(call, new CancelledError(`Cannot run "${task}": the executor was shut down`));
  }

  /** A worker has run a call. */
  conclude(call: DispatchedCall, outcome: Outcome): void {
    this.log.ran(call, outcome);
    if (outcome.type === "error" && this.#retry(call, () => errorOf(outcome))) return;
    this.#leave(call);
    this.log.resolved(call, outcome);
    call.result.resolve(outcome);
  }

  /** A call has failed before it had an outcome. */
  fail(call: DispatchedCall, error: unknown): void {
    this.log.failed(error);
    if (!this.#retry(call, () => error)) this.reject(call, error);
  }

  /** A call ends without an outcome, unless it has ended. */
  reject(call: DispatchedCall, reason: unknown): void {
    if (call.at === "end") return;
    this.#leave(call);
    this.log.rejected(call, reason);
    call.result.reject(reason);
  }

  /** All that wait end without an outcome. */
  rejectWaiting(reason: unknown): void {
    for (let call = this.next(); call !== undefined; call = this.next()) this.reject(call, reason);
  }

  /**
   * All that wait end without an outcome, and those that come back from workers as well.
   *
   * @param reason Why.
   */
  drop(reason: unknown): void {
    this.#keeping = false;
    this.rejectWaiting(reason);
  }

  /** Resolves when all have ended. */
  drained(): Promise<void> {
    if (this.#unended === 0) return Promise.resolve();
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  /** Runs a call that has failed again, if it may and that may help. */
  #retry(call: DispatchedCall, read: () => unknown): boolean {
    if (!this.#keeping || call.retried >= (call.retries ?? this.#options.retries)) return false;
    const error = read();
    if (!isRetriable(error)) return false;
    call.retried++;
    this.log.retried(call, error);
    this.reenter(call);
    return true;
  }

  /** The call's way ends here. */
  #leave(call: DispatchedCall): void {
    call.end();
    this.#queue.delete(call);
    this.#unended--;
    if (this.#unended === 0) this.#drained?.resolve();
  }
}

/** What happens to the calls of a dispatcher: counted, and told to an observer if there is one. */
class DispatchMetrics {
  /** How the calls have ended. */
  readonly counters = new CallCounters();
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
    this.counters.ran(outcome, this.clock.now - call.since);
  }

  /** A call that somebody waits for failed before it had an outcome. */
  failed(error: unknown): void {
    if (error instanceof WorkerDiedError) this.counters.died();
  }

  /** A call that has failed is run once more. */
  retried(call: DispatchedCall, error: unknown): void {
    this.counters.retried();
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
