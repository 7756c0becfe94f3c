import { DeadlineError } from "../../base/errors.ts";
import { type ArrivalCheck, type CancelSignal, GiveUpTimer } from "../../base/abortable.ts";
import { lookAgain } from "../../call/module_sources.ts";
import type { CallDemand, RetryOptions } from "../../task/comforts.ts";
import type { OnAbort, SentCall } from "../../task/future.ts";
import type {
  BegunItems,
  CallFollower,
  CallListener,
  CallRequest,
  Outcome,
  RunResult,
} from "../../worker/worker.ts";
import type { WorkerOutputLine } from "../call_options.ts";
import {
  ENDED,
  type EndedItems,
  ITEMS,
  OUTPUT,
  sourcesOf,
  STARTED,
  withoutLease,
  withoutSources,
  withSources,
} from "../wire/call_context.ts";
import { rejectWithCallers } from "./callers.ts";
import type { PoolWorker } from "./worker_pool.ts";
import type { Prioritized } from "./queue.ts";

/** So much of what a call prints is kept for the case that it fails, in UTF-16 code units. */
const LONGEST_OUTPUT = 4096;

/**
 * The items of a call that has many: they begin one after another, and may be divided among calls.
 */
export interface CallItems {
  /** How many there are whose end is not known. */
  readonly size: number;
  /** Whether the request that was made is that of a single one, which travels as a plain call. */
  readonly alone: boolean;
  /** How many were computed of the request that was made. */
  readonly completed: number;
  /** How many have failed, those included that are run again. */
  readonly failed: number;
  /** How many have failed and are run again, each by itself. */
  readonly retried: number;
  /** Whether a worker gives those back that it has not begun after a while. */
  readonly sliced: boolean;
  /** What the first of them is known by where somebody observes calls; those behind it follow. */
  firstId: number | undefined;
  /** How often each was run before, as a part of something else. */
  readonly attempts: number;
  /** Those of the items that have just ended that are run again, and what they threw. */
  readonly retriedItems: readonly (readonly [index: number, error: unknown])[];
  /**
   * Tells how many go to a worker at once.
   *
   * @param share How many each worker would get.
   */
  most(share: number): number;
  /**
   * Makes the request of the items.
   *
   * @param request That of the call, without items.
   */
  toRequest(request: CallRequest): CallRequest;
  /**
   * Tells how many of the items stand before one.
   *
   * @param index Which, among those that were called together.
   * @returns How many; `undefined` where it is not one of these.
   */
  before(index: number): number | undefined;
  /**
   * Gives the first of the items away.
   *
   * @param count How many.
   * @returns The call of those.
   */
  takeFirst(count: number): CallPart;
  /**
   * Gives the items away that have not begun.
   *
   * @param begun How many have, since the request was made; those whose end is known, if not given.
   * @returns The call of the others, if there are any.
   */
  takeRest(begun?: number): CallPart | undefined;
  /**
   * Gives the items away that a failure does not concern.
   *
   * @param begun Which have begun, if a worker was about them.
   * @returns The calls of those, in their order.
   */
  takeSpared(error: unknown, begun: BegunItems | undefined): readonly CallPart[];
}

/** A call that is brought to a worker, and may have items. */
export interface SentItems extends SentCall {
  /** How many of the items that the worker has may have begun. */
  readonly begunItems: number;
  /**
   * Lets one of the items be run before others of a lower priority, if it has not begun.
   *
   * @param index Which, among those that were called together.
   */
  raiseItem(index: number, priority: number): void;
}

/** A part of a call's items, as a call. */
export interface CallPart {
  /** Follows it. */
  readonly observer: CallObserver;
  /** Waits for its end. */
  readonly listener: OutcomeListener;
}

/** Who follows a call. */
export interface CallObserver {
  /** The items of the call, if it has some. Who gives it up gives up what has not begun. */
  readonly items?: CallItems;
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
  /** How the call is run again when it fails; as the dispatcher says, if not given. */
  readonly retries?: number | RetryOptions | undefined;
  /** What it must have before it may wait for a worker; nothing, if not given. */
  readonly demand?: CallDemand | undefined;
  /** How long it waits before that, in milliseconds. */
  readonly delay?: number | undefined;
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
  /** The call could not be sent, or its worker died when so many of its items had begun. */
  failed(call: DispatchedCall, error: unknown, begun: BegunItems | undefined): void;
  /** The call's body has begun: told once for each run, and before its end. */
  begun(call: DispatchedCall): void;
  /** The first of the call's items whose end is not known has begun: may be told several times. */
  itemBegun(call: DispatchedCall): void;
  /** The body of the call is not to begin; tells whether it had not. */
  cancelled(call: DispatchedCall): boolean;
  /** The call is as urgent as that now, which is more than it was. */
  raised(call: DispatchedCall, priority: number): void;
  /** One of the call's items is as urgent as that now. */
  itemRaised(call: DispatchedCall, index: number, priority: number): void;
  /** The call is given up, by its signal or its deadline. */
  abandoned(call: DispatchedCall, reason: unknown): void;
  /** What has not begun of the call's items is given up. */
  dropped(call: DispatchedCall, reason: unknown): void;
  /** The worker is done with the call, and that took longer than it may. */
  late(call: DispatchedCall, reason: DeadlineError): void;
  /** The call was given up, and still runs after its grace period. */
  overdue(call: DispatchedCall): void;
  /** So many items of a call were computed, so many have failed, and so many of those are run again. */
  itemsEnded(completed: number, failed: number, retried: number): void;
  /** Items of a call have ended, the first of which is known by the id. */
  itemsTold(call: DispatchedCall, firstId: number, ended: EndedItems): void;
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
  implements CallFollower, CallListener, SentItems, Prioritized<DispatchedCall> {
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
  /** The last that it has printed, where that is captured. */
  printed: string | undefined;
  /** How many workers in a row were sent it and took up nothing. */
  unanswered = 0;
  /** Where it is. */
  at: "queue" | "worker" | "end" = "end";
  before: DispatchedCall | undefined;
  after: DispatchedCall | undefined;
  queued = false;
  /** When its worker came to it, as far as that is known here. */
  headSince = 0;
  /** How many of its items its worker has to run. */
  sentItems = 0;
  /** Whether the items that had not begun were taken back from its worker. */
  taken = false;
  /** Whether it was run before and may still run there: nobody waits until that has ended. */
  unleased = false;
  /** The id of the last of its items that an observer was told of as begun at its worker. */
  toldItem = 0;
  readonly #events: CallEvents;
  readonly #observer: CallObserver;
  #worker: PoolWorker<DispatchedCall> | undefined;
  /** Whether its body is known to have begun at its worker. */
  #begun = false;
  #finishing = false;
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

  /** Its items, if it has some. */
  get items(): CallItems | undefined {
    return this.#observer.items;
  }

  /** How many calls it counts as: its items, if it has some. */
  get size(): number {
    return this.#observer.items?.size ?? 1;
  }

  /** How it may be run again; `undefined` when it does not say. */
  get retries(): CallObserver["retries"] {
    return this.#observer.retries;
  }

  /** What it must have before it may wait for a worker, if that is anything. */
  get demand(): CallDemand | undefined {
    return this.#observer.demand;
  }

  /** Which attempt at it has been made last, from 1. */
  get attempt(): number {
    return (this.items?.attempts ?? 0) + this.retried + 1;
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

  toRejection(error: Error): Promise<never> | undefined {
    const { workerName } = this;
    return workerName === undefined ? undefined : rejectWithCallers(error, workerName);
  }

  get begun(): boolean {
    if (!this.#begun && this.at === "worker" && this.#worker?.handle.hasBegun(this) === true) {
      this.noteBegun();
    }
    return this.#begun;
  }

  get finishing(): boolean {
    return this.#finishing;
  }

  cancel(): boolean {
    return !this.#begun && (this.at !== "worker" || this.#events.cancelled(this));
  }

  checkArrivals(): ArrivalCheck {
    return this.#worker?.handle.checkArrivals() ?? (() => true);
  }

  raise(priority: number): void {
    if (priority > this.priority) this.#events.raised(this, priority);
  }

  /** Whether its body has begun, or that of the first of its items whose end is not known. */
  get hasBegun(): boolean {
    const { items } = this;
    if (items === undefined || items.alone) return this.begun;
    return items.size > 0 && this.begunItems > this.sentItems - items.size;
  }

  /** The same; an observer knows it, too. */
  get runs(): boolean {
    const runs = this.hasBegun;
    if (runs && this.items?.alone === false) this.#events.itemBegun(this);
    return runs;
  }

  get begunItems(): number {
    return this.at === "worker" ? this.#worker?.handle.begunItems(this) ?? 0 : 0;
  }

  raiseItem(index: number, priority: number): void {
    if (this.at !== "end" && priority > this.priority) {
      this.#events.itemRaised(this, index, priority);
    }
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
    this.#finishing = false;
  }

  /** The call is at a worker now. */
  send(worker: PoolWorker<DispatchedCall>): void {
    this.at = "worker";
    this.taken = false;
    this.toldItem = 0;
    this.#worker = worker;
  }

  /**
   * Makes what goes to the worker.
   *
   * @param answered The code of calls that the worker has answered.
   */
  toRequest(answered: WeakSet<object>): CallRequest {
    const request = toKnowing(this.items?.toRequest(this.request) ?? this.request, answered);
    return this.unleased ? withoutLease(request) : request;
  }

  /** Its worker runs it, or has run it. */
  noteBegun(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.unanswered = 0;
    this.#events.begun(this);
    this.#startDeadline();
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
    const reason = this.#observer.cancellation?.reason;
    if (this.items === undefined) this.#events.abandoned(this, reason);
    else this.#events.dropped(this, reason);
  }

  /** Makes the same call once more, which is nowhere yet: this one was given up, and may still run. */
  toNext(): DispatchedCall {
    const part = { observer: this.#observer, listener: this.listener };
    const next = this.toPart(part, this.id);
    next.priority = this.priority;
    next.retried = this.retried;
    next.unleased = true;
    return next;
  }

  /**
   * Makes a call of some of its items, which is nowhere yet.
   *
   * @param part The items.
   * @param id Tells it from others.
   */
  toPart({ observer, listener }: CallPart, id: number): DispatchedCall {
    const made = new DispatchedCall(this.#events, this.request, observer, listener, id, this.since);
    made.unanswered = this.unanswered;
    return made;
  }

  ended(result: RunResult): void {
    const { deadline = Infinity } = this.#observer;
    // However late this is read. A deadline holds from when the call said that it starts.
    if (this.#begun && this.at === "worker" && toDuration(result) > deadline) {
      this.#events.late(this, this.#toLate(deadline));
    }
    this.#events.ended(this, result);
  }

  failed(error: unknown, begun?: BegunItems): void {
    this.#events.failed(this, error, begun);
  }

  /** The call says something. */
  onMessage(kind: string, data: unknown): void {
    if (kind === STARTED) this.#noteStarted();
    else if (kind === ENDED) this.#noteBodyEnded();
    else if (kind === OUTPUT) this.#print(data as PrintedOutput);
    else if (this.at !== "end") this.#tell(kind, data);
  }

  /** The body has begun, or the next of the items. */
  #noteStarted(): void {
    if (!this.#begun) this.noteBegun();
    else if (this.items !== undefined && this.at !== "end") this.#events.itemBegun(this);
  }

  /**
   * What the cache does with the result has no deadline; a worker that stands still meanwhile is given up
   * where a deadline would have done that.
   */
  #noteBodyEnded(): void {
    if (this.at !== "worker") return;
    this.clearTimer();
    this.#finishing = this.#observer.deadline !== undefined;
  }

  #print(output: PrintedOutput): void {
    this.printed = `${this.printed ?? ""}${output.text}\n`.slice(-LONGEST_OUTPUT);
    this.#events.printed(this, output);
  }

  #tell(kind: string, data: unknown): void {
    const { items } = this.#observer;
    const { completed = 0, failed = 0, retried = 0, firstId = 0 } = items ?? {};
    this.#observer.onMessage?.(kind, data);
    if (items === undefined) return;
    if (kind === ITEMS) this.#events.itemsTold(this, firstId, data as EndedItems);
    this.#events.itemsEnded(
      items.completed - completed,
      items.failed - failed,
      items.retried - retried,
    );
  }

  #startDeadline(): void {
    const { deadline = Infinity } = this.#observer;
    if (this.at !== "worker" || deadline === Infinity) return;
    this.#setTimer(deadline, () => this.#events.abandoned(this, this.#toLate(deadline)));
  }

  #setTimer(delay: number, giveUp: () => void): void {
    this.clearTimer();
    this.#timer = new GiveUpTimer(delay, giveUp, { checkArrivals: () => this.checkArrivals() });
  }

  #toLate(deadline: number): DeadlineError {
    const message = `Cannot finish "${this.request.task}" within ${deadline} ms of its start`;
    return new DeadlineError(message, deadline);
  }
}

/** A worker that has answered a call of the same code knows it; one that may not read it is told. */
function toKnowing(request: CallRequest, answered: WeakSet<object>): CallRequest {
  const sources = sourcesOf(request);
  if (sources === undefined) return request;
  if (answered.has(sources)) return withoutSources(request);
  if (sources.codes === undefined) return request;
  const seen = lookAgain(sources);
  return seen === sources ? request : withSources(request, seen);
}

function toDuration(result: RunResult): number {
  return result.type === "revoked" ? 0 : result.duration;
}
