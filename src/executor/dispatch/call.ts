import { DeadlineError, QuiverError, WorkerDiedError } from "../../base/errors.ts";
import type { CancelSignal, OnAbort } from "../../task/future.ts";
import { toThrown } from "../../value/codec/thrown_value.ts";
import type {
  CallFollower,
  CallListener,
  CallRequest,
  Outcome,
  RunResult,
} from "../../worker/worker.ts";
import type { OutputTaker, WorkerOutputLine } from "../call_options.ts";
import { OUTPUT, STARTED } from "../wire/call_context.ts";
import type { PoolWorker } from "./worker_pool.ts";
import type { Prioritized } from "./queue.ts";

/** Who follows a call. */
export interface CallObserver {
  /** Gives the call up, whether it waits or runs. */
  readonly cancellation?: CancelSignal;
  /** How long the body may run, in milliseconds; the call must say when it starts. */
  readonly deadline?: number | undefined;
  /** What becomes of the worker when the call is given up while it runs. */
  readonly onAbort?: OnAbort | undefined;
  /** How long the call may then take to end by itself, in milliseconds. */
  readonly gracePeriod?: number | undefined;
  /**
   * Calls of a higher priority go first.
   *
   * @default {0}
   */
  readonly priority?: number | undefined;
  /** How often the call is run again when it fails; as the dispatcher says, if not given. */
  readonly retries?: number | undefined;
  /** Told each time when the call is sent to a worker, whose name is given. */
  started?(worker?: string): void;
  /** Told each time when a call that was sent waits again. */
  waits?(): void;
  /** Told of what the call says. */
  told?(kind: string, data: unknown): void;
}

/** Who waits for the end of a call. */
export interface OutcomeListener {
  /** The call has ended. */
  resolve(outcome: Outcome): void;
  /** It has no outcome. */
  reject(reason: unknown): void;
}

/** What the calls of one dispatcher share. */
export interface CallDesk {
  /** Is told when a worker is done with a call, whether it still matters or not. */
  readonly returned: (call: DispatchedCall, result: RunResult) => void;
  /** Is told when a call could not be sent, or its worker died. */
  readonly failed: (call: DispatchedCall, error: unknown) => void;
  /** Is told when a call is given up, and why. */
  readonly giveUp: (call: DispatchedCall, reason: unknown) => void;
  /** Takes what calls print. */
  readonly output: OutputTaker | undefined;
}

/** What a worker sends of what a task prints. */
type Printed = Pick<WorkerOutputLine, "text" | "stream">;

/**
 * A call on its way through a dispatcher. One object with methods, which is also its own place in the
 * queue: tens of thousands may wait, and closures would make each several times as large.
 */
export class DispatchedCall implements CallFollower, CallListener, Prioritized<DispatchedCall> {
  /** What to run. */
  readonly request: CallRequest;
  /** Who waits for its end. */
  readonly result: OutcomeListener;
  /** When it was given to the dispatcher. */
  readonly since: number;
  /** Tells it from others where somebody observes them. */
  readonly id: number;
  /** Calls of a higher priority go first. */
  readonly priority: number;
  /** How often it has failed and was run again. */
  retried = 0;
  /** Where it is. */
  at: "queue" | "worker" | "end" = "end";
  before: DispatchedCall | undefined;
  after: DispatchedCall | undefined;
  queued = false;
  readonly #desk: CallDesk;
  readonly #observer: CallObserver;
  /** What it was sent to last. */
  #member: PoolWorker<DispatchedCall> | undefined;
  /** Until the deadline, and then until the end of the grace period. */
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Creates a call that is nowhere yet.
   *
   * @param desk What all calls of the dispatcher share.
   * @param request What to run.
   * @param observer Gives the call up, and is told when it starts.
   * @param result Who waits for its end.
   * @param id Tells it from others.
   * @param now The time.
   */
  constructor(
    desk: CallDesk,
    request: CallRequest,
    observer: CallObserver,
    result: OutcomeListener,
    id: number,
    now: number,
  ) {
    this.#desk = desk;
    this.request = request;
    this.#observer = observer;
    this.result = result;
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
    this.#desk.giveUp(this, this.#observer.cancellation?.reason);
  }

  /** Stops listening to the signal. */
  unlisten(): void {
    const { cancellation } = this.#observer;
    // An aborted signal never calls again, and to search thousands of listeners takes long.
    if (cancellation?.aborted === false) cancellation.removeEventListener("abort", this);
  }

  /** The call is at a worker now. */
  send(member: PoolWorker<DispatchedCall>): void {
    this.at = "worker";
    this.#member = member;
    this.#observer.started?.(member.worker.name);
  }

  /** What it was sent to last: also the one that a call runs on that was given up. */
  get member(): PoolWorker<DispatchedCall> | undefined {
    return this.#member;
  }

  /** It follows itself. */
  get follower(): CallFollower {
    return this;
  }

  ended(result: RunResult): void {
    this.#desk.returned(this, result);
  }

  failed(error: unknown): void {
    this.#desk.failed(this, error);
  }

  /** What becomes of the worker when the call is given up while it runs. */
  get onAbort(): OnAbort | undefined {
    return this.#observer.onAbort;
  }

  /** The call says something. */
  told(kind: string, data: unknown): void {
    if (kind === STARTED) this.#countTime();
    else if (kind === OUTPUT) this.#print(data as Printed);
    else this.#observer.told?.(kind, data);
  }

  /**
   * Waits for the end of a call that was given up.
   *
   * @param late Called when it has not ended after the grace period.
   */
  await(late: () => void): void {
    const { gracePeriod = 0 } = this.#observer;
    if (gracePeriod === 0) late();
    else if (gracePeriod !== Infinity) this.#timer = setTimeout(late, gracePeriod);
  }

  /** The worker is done with the call. */
  release(): void {
    this.#clearTimer();
  }

  /** The call waits in the queue. */
  wait(): void {
    if (this.at === "worker") this.#observer.waits?.();
    this.at = "queue";
  }

  /** The call's way ends. */
  end(): void {
    this.at = "end";
    this.#clearTimer();
    this.unlisten();
  }

  /** Also what a call prints that was given up. */
  #print(printed: Printed): void {
    this.#desk.output?.({
      ...printed,
      worker: this.#member?.worker.name ?? "",
      task: this.request.task,
    });
  }

  /** Next to no call has one. */
  #clearTimer(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #countTime(): void {
    const { deadline = Infinity } = this.#observer;
    if (this.at !== "worker" || deadline === Infinity) return;
    this.#clearTimer();
    this.#timer = setTimeout(() => {
      const message = `Cannot finish "${this.request.task}" within ${deadline} ms of its start`;
      this.#desk.giveUp(this, new DeadlineError(message, deadline));
    }, deadline);
  }
}

/**
 * What a task threw.
 *
 * @param outcome How its call ended.
 * @returns What it threw.
 */
export function errorOf({ error }: Extract<Outcome, { type: "error" }>): unknown {
  return toThrown(error.thrown);
}

/**
 * Whether a call that failed may succeed when it is run once more: what a task throws may pass, and so
 * may the death of a worker. Errors of Quiver's own (a failed dependency, a cancellation, a result
 * that cannot travel, a missing module) would come again.
 *
 * @param error Why the call failed.
 * @returns Whether to run it again.
 */
export function isRetriable(error: unknown): boolean {
  return !(error instanceof QuiverError) || error instanceof WorkerDiedError;
}
