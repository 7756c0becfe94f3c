import { DeadlineError, QuiverError, WorkerDiedError } from "../../base/errors.ts";
import { type CancelSignal, GiveUpTimer } from "../../base/abortable.ts";
import type { OnAbort, SentCall } from "../../task/future.ts";
import type {
  CallFollower,
  CallListener,
  CallRequest,
  Outcome,
  RunResult,
} from "../../worker/worker.ts";
import type { WorkerOutputLine } from "../call_options.ts";
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
  /**
   * How long the call may then take to end by itself, in milliseconds.
   *
   * @default {1000}
   */
  readonly gracePeriod?: number | undefined;
  /**
   * Calls of a higher priority go first.
   *
   * @default {0}
   */
  readonly priority?: number | undefined;
  /** How often the call is run again when it fails; as the dispatcher says, if not given. */
  readonly retries?: number | undefined;
  /** Told once, before anything else, what tells where the call is. */
  sent?(call: SentCall): void;
  /** Told of what the call says. */
  onMessage?(kind: string, data: unknown): void;
}

/** How long a call that was given up gets by default, in milliseconds. */
const GRACE_PERIOD = 1000;

/** Who waits for the end of a call. */
export interface OutcomeListener {
  /** The call has ended. */
  resolve(outcome: Outcome): void;
  /** It has no outcome. */
  reject(reason: unknown): void;
}

/** Who brings a call to a worker, and is told of what becomes of it there. */
export interface CallEvents {
  /** The worker is done with the call, whether that still matters or not. */
  ended(call: DispatchedCall, result: RunResult): void;
  /** The call could not be sent, or its worker died. */
  failed(call: DispatchedCall, error: unknown): void;
  /** The call's body has begun: told once for each run, and before its end. */
  begun(call: DispatchedCall): void;
  /** The body of the call is not to begin; tells whether it had not. */
  cancelled(call: DispatchedCall): boolean;
  /** The call is as urgent as that now, which is more than it was. */
  raised(call: DispatchedCall, priority: number): void;
  /** The call is given up, by its signal or its deadline. */
  abandoned(call: DispatchedCall, reason: unknown): void;
  /** The worker is done with the call, and that took longer than it may. */
  late(call: DispatchedCall, reason: DeadlineError): void;
  /** The call was given up, and still runs after its grace period. */
  overdue(call: DispatchedCall): void;
  /** The call prints, also when it was given up. */
  printed(call: DispatchedCall, output: PrintedOutput): void;
}

/** What a worker sends of what a task prints. */
export type PrintedOutput = Pick<WorkerOutputLine, "text" | "stream">;

/**
 * A call on its way through a dispatcher. One object with methods, which is also its own place in the
 * queue: tens of thousands may wait, and closures would make each several times as large.
 */
export class DispatchedCall
  implements CallFollower, CallListener, SentCall, Prioritized<DispatchedCall> {
  /** What to run. */
  readonly request: CallRequest;
  /** Told how it ends. */
  readonly listener: OutcomeListener;
  /** When it was given to the dispatcher. */
  readonly since: number;
  /** Tells it from others where somebody observes them. */
  readonly id: number;
  /** Calls of a higher priority go first. */
  priority: number;
  /** How often it has failed and was run again. */
  retried = 0;
  /** How many workers were sent it and took up nothing. */
  unanswered = 0;
  /** Where it is. */
  at: "queue" | "worker" | "end" = "end";
  before: DispatchedCall | undefined;
  after: DispatchedCall | undefined;
  queued = false;
  readonly #events: CallEvents;
  readonly #observer: CallObserver;
  #worker: PoolWorker<DispatchedCall> | undefined;
  /** Whether its body is known to have begun at its worker. */
  #begun = false;
  /** Until the deadline, and then until the end of the grace period. */
  #timer: GiveUpTimer | undefined;

  /**
   * Creates a call that is nowhere yet.
   *
   * @param events Told of what becomes of it at a worker.
   * @param request What to run.
   * @param observer Gives the call up, and is told when it starts.
   * @param listener Told how it ends.
   * @param id Tells it from others.
   */
  constructor(
    events: CallEvents,
    request: CallRequest,
    observer: CallObserver,
    listener: OutcomeListener,
    id: number,
    now: number,
  ) {
    this.#events = events;
    this.request = request;
    this.#observer = observer;
    this.listener = listener;
    this.id = id;
    this.since = now;
    this.priority = observer.priority ?? 0;
  }

  /** How often it may be run again; `undefined` when it does not say. */
  get retries(): number | undefined {
    return this.#observer.retries;
  }

  /** What becomes of the worker when the call is given up while it runs. */
  get onAbort(): OnAbort | undefined {
    return this.#observer.onAbort;
  }

  /** What it was sent to last: also the one that a call runs on that was given up. */
  get worker(): PoolWorker<DispatchedCall> | undefined {
    return this.#worker;
  }

  get workerName(): string | undefined {
    return this.#worker?.handle.name;
  }

  get begun(): boolean {
    if (!this.#begun && this.at === "worker" && this.#worker?.handle.hasBegun(this) === true) {
      this.noteBegun();
    }
    return this.#begun;
  }

  cancel(): boolean {
    return !this.#begun && (this.at !== "worker" || this.#events.cancelled(this));
  }

  raise(priority: number): void {
    if (priority > this.priority) this.#events.raised(this, priority);
  }

  /** It follows itself. */
  get follower(): CallFollower {
    return this;
  }

  /** Says who it is, and begins to listen to the signal. */
  listen(): void {
    const { cancellation } = this.#observer;
    this.#observer.sent?.(this);
    if (cancellation?.aborted === true) this.handleEvent();
    else cancellation?.addEventListener("abort", this);
  }

  /** The call waits in the queue, or is about to. */
  wait(): void {
    this.at = "queue";
    this.#begun = false;
  }

  /** The call is at a worker now. */
  send(worker: PoolWorker<DispatchedCall>): void {
    this.at = "worker";
    this.#worker = worker;
  }

  /** Its worker runs it, or has run it. */
  noteBegun(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#events.begun(this);
  }

  /** The call was given up, and has its grace period to end by itself. */
  startGracePeriod(): void {
    const { gracePeriod = GRACE_PERIOD } = this.#observer;
    if (gracePeriod === 0) this.#events.overdue(this);
    else this.#setTimer(gracePeriod, () => this.#events.overdue(this));
  }

  /** The worker is done with the call. Next to no call has a timer. */
  clearTimer(): void {
    this.#timer?.clear();
    this.#timer = undefined;
  }

  /** The call's way ends. */
  end(): void {
    this.at = "end";
    this.clearTimer();
    const { cancellation } = this.#observer;
    // An aborted signal never calls again, and to search thousands of listeners takes long.
    if (cancellation?.aborted === false) cancellation.removeEventListener("abort", this);
  }

  /** The signal gives the call up. */
  handleEvent(): void {
    this.#events.abandoned(this, this.#observer.cancellation?.reason);
  }

  ended(result: RunResult): void {
    const { deadline = Infinity } = this.#observer;
    // However late this is read. A deadline holds from when the call said that it starts.
    if (this.#timer !== undefined && this.at === "worker" && toDuration(result) > deadline) {
      this.noteBegun();
      this.#events.late(this, this.#toLate(deadline));
    }
    this.#events.ended(this, result);
  }

  failed(error: unknown): void {
    this.#events.failed(this, error);
  }

  /** The call says something. */
  onMessage(kind: string, data: unknown): void {
    if (kind === STARTED) {
      this.noteBegun();
      this.#startDeadline();
    } else if (kind === OUTPUT) this.#events.printed(this, data as PrintedOutput);
    else this.#observer.onMessage?.(kind, data);
  }

  #startDeadline(): void {
    const { deadline = Infinity } = this.#observer;
    if (this.at !== "worker" || deadline === Infinity) return;
    this.#setTimer(deadline, () => this.#events.abandoned(this, this.#toLate(deadline)));
  }

  #setTimer(delay: number, giveUp: () => void): void {
    const worker = this.#worker?.handle;
    const checkArrivals = worker && (() => worker.checkArrivals());
    this.clearTimer();
    this.#timer = new GiveUpTimer(delay, giveUp, { checkArrivals });
  }

  #toLate(deadline: number): DeadlineError {
    const message = `Cannot finish "${this.request.task}" within ${deadline} ms of its start`;
    return new DeadlineError(message, deadline);
  }
}

function toDuration(result: RunResult): number {
  return result.type === "revoked" ? 0 : result.duration;
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
