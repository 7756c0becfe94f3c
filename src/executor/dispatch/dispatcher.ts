import {
  CancelledError,
  DeadlineError,
  ExecutorShutdownError,
  WorkerDiedError,
} from "../../base/errors.ts";
import { toThrown } from "../../value/codec/thrown_value.ts";
import { checkRequest } from "../../worker/wire/unclonable.ts";
import type { BegunItems, CallRequest, Outcome, RunResult } from "../../worker/worker.ts";
import type { CallStatistics } from "../call_options.ts";
import {
  type CallLimits,
  type EndedItems,
  ITEMS,
  sourcesOf,
  withFlags,
} from "../wire/call_context.ts";
import {
  type CallEvents,
  type CallObserver,
  type CallPart,
  DispatchedCall as Call,
  type OutcomeListener,
  type PrintedOutput,
} from "./call.ts";
import { Admission } from "./admission.ts";
import { DispatchMetrics } from "./metrics.ts";
import { ItemDivision } from "./item_division.ts";
import { ItemSharing } from "./item_sharing.ts";
import { NestedCalls } from "./nested_calls.ts";
import { Prefetch } from "./prefetch.ts";
import { PriorityQueue } from "./queue.ts";
import { isHookFailure } from "./start_backoff.ts";
import { countWorkers, type WorkerStatistics } from "./worker_statistics.ts";
import type { DispatcherCloseOptions, DispatcherOptions } from "./options.ts";
import { decideRetry, noteAttempts, noteUnanswered } from "./retry.ts";
import { type PoolWorker, WorkerPool } from "./worker_pool.ts";

/** So many chunks of items a worker has at most when they are short, the one that it runs included. */
const CHUNKS_AHEAD = 4;

type State =
  | { readonly state: "open" }
  | {
    /** Whether calls that have not started are still waited for. */
    readonly state: "draining" | "dropping";
    /** Absent when nobody waits. */
    readonly done: Promise<void> | undefined;
  };

/**
 * Brings calls to a bounded set of workers: those of a higher priority first, and within one priority
 * first come, first served.
 *
 * A call waits in a queue for a worker, which may be starting; then it is sent. A worker is sent one
 * call at a time while calls take their time, and `prefetch` calls while they are short: sending
 * short calls one by one would cost more than running them. A worker that runs out of calls takes
 * some of those back that were sent ahead to another.
 *
 * All decisions are made here. Queue, calls, pool and prefetch are told what to do and know nothing of
 * the dispatcher; what happens to a call at its worker comes as one of its {@linkcode CallEvents}.
 */
export class Dispatcher implements CallEvents, AsyncDisposable {
  readonly #options: DispatcherOptions;
  readonly #queue = new PriorityQueue<Call>();
  readonly #pool: WorkerPool<Call>;
  readonly #prefetch: Prefetch;
  readonly #division: ItemDivision;
  readonly #sharing: ItemSharing;
  readonly #metrics: DispatchMetrics;
  /** Only where workers are in this isolate. */
  readonly #nested: NestedCalls | undefined;
  /** There as soon as a call must have something before it may wait for a worker, or is to wait. */
  #admission: Admission | undefined;
  #maxWorkers: number;
  #limits: CallLimits | undefined;
  #unended = 0;
  /** Resolves when the dispatcher is closed and all calls have ended. */
  readonly #drained = Promise.withResolvers<void>();
  #state: State = { state: "open" };

  /**
   * Creates a dispatcher; no worker starts before there is a call.
   *
   * @param options How many workers, and how they start.
   */
  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#pool = new WorkerPool(options, () => this.#advance());
    this.#prefetch = new Prefetch(this.#pool, options.prefetch ?? 128);
    this.#metrics = new DispatchMetrics(options.observer);
    this.#division = new ItemDivision({
      queue: this.#queue,
      pool: this.#pool,
      toPart: (call, part) => this.#toPart(call, part),
      requeue: (call) => this.#requeue(call),
    });
    this.#sharing = new ItemSharing({
      pool: this.#pool,
      starves: () => this.#queue.size === 0 && this.#pool.idle > 0,
      takeBack: (call) => void this.#division.takeBack(call),
      looked: () => this.#advance(),
    });
    if (options.owner !== undefined) this.#nested = new NestedCalls(options.owner);
    this.#maxWorkers = options.maxWorkers;
    this.#limits = options.limits;
  }

  /**
   * Runs a call on a worker.
   *
   * @param observer When to give it up, and who is told when it starts.
   * @returns How it ended. The promise rejects with `WorkerDiedError` when the worker died while it
   * ran the call, with `UnclonableError` when an argument cannot be sent, with what `open` threw when
   * no worker could start, with `CancelledError` when the dispatcher was closed over it, with
   * `ExecutorShutdownError` when it was terminated, and with the signal's reason or `DeadlineError`
   * when it is given up. A worker that still runs such a call after its grace period is lost until
   * the call has ended, or is ended itself.
   * @throws {ExecutorShutdownError} When the dispatcher is closed.
   */
  run(request: CallRequest, observer: CallObserver = {}): Promise<Outcome> {
    const result = Promise.withResolvers<Outcome>();
    this.dispatch(request, observer, result);
    return result.promise;
  }

  /**
   * Runs a call on a worker, for one who needs no promise.
   *
   * @param observer When to give it up, and who is told when it starts.
   * @param listener Told how it ended, as the promise of `run()` would be, but at once: nobody else's
   * code may run then.
   */
  dispatch(request: CallRequest, observer: CallObserver, listener: OutcomeListener): void {
    if (this.#state.state !== "open") {
      const message = `Cannot run "${request.task}": the executor was shut down`;
      return listener.reject(new ExecutorShutdownError(message));
    }
    // No worker is started for what it could not be sent; one that is there refuses it by itself.
    const refusal = this.#pool.idle === 0 && this.#pool.hasRoom ? checkRequest(request) : undefined;
    if (refusal !== undefined) return listener.reject(refusal);
    const { now } = this.#metrics.clock;
    const id = this.#metrics.nextId();
    const flagged = this.#withFlags(request, observer, id);
    const call = new Call(this, flagged, observer, listener, id, now);
    this.#unended++;
    call.wait();
    // Whoever waits for it holds a worker, in whose place another one runs it, before all others.
    const nested = this.#nested?.add(call) ?? false;
    if (nested) this.#resize();
    this.#metrics.queued(call);
    const { demand, delay = 0 } = observer;
    if (demand !== undefined || delay > 0) this.#hold(call, delay);
    else this.#enqueue(call, nested);
    call.listen();
    this.#advance();
    if (this.#admission?.holds(call)) return;
    this.#prefetch.overtake(call);
    if (call.at === "queue") this.#sharing.overtake(call);
  }

  /**
   * Changes how many workers may take calls; those that end a call first are those too many.
   *
   * @param limits What holds for each call from now on.
   */
  resize(maxWorkers: number, limits?: CallLimits): void {
    this.#maxWorkers = maxWorkers;
    this.#limits = limits;
    this.#resize();
    this.#advance();
  }

  /**
   * Counts calls and workers.
   *
   * @returns The counts of this moment.
   */
  statistics(): WorkerStatistics {
    return countWorkers(this.#pool, this.#queue.items + (this.#admission?.size ?? 0));
  }

  /** Counts how calls have ended. */
  callStatistics(): CallStatistics {
    return this.#metrics.counters.counts;
  }

  /**
   * Takes no more calls, waits for those it has, then ends the workers. May be called again.
   *
   * @param options What happens to calls that have not started.
   * @throws What the workers' close hooks threw.
   */
  close(options: DispatcherCloseOptions = {}): Promise<void> {
    const { cancelPending = false, warn = () => {} } = options;
    const before = this.#state.state === "open" ? undefined : this.#state.done;
    const done = before ?? this.#close(warn);
    const drops = cancelPending || this.#state.state === "dropping";
    this.#state = { state: drops ? "dropping" : "draining", done };
    if (cancelPending) {
      this.#rejectQueue(new CancelledError("Cannot run the call: the executor was shut down"));
      for (const worker of this.#pool.workers) this.#prefetch.revokeAll(worker);
    }
    this.#settleDrained();
    this.#advance();
    return done;
  }

  /** Ends everything now: what has not ended rejects with `ExecutorShutdownError`. */
  terminate(): void {
    const done = this.#state.state === "open" ? undefined : this.#state.done;
    this.#state = { state: "dropping", done };
    const reason = new ExecutorShutdownError("Cannot finish the call: the executor was shut down");
    this.#rejectQueue(reason);
    for (const call of this.#pool.calls()) this.#reject(call, reason);
    this.#pool.terminate();
    this.#sharing.stop();
    this.#advance();
  }

  /** The same as {@linkcode Dispatcher.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  ended(call: Call, result: RunResult): void {
    const { worker } = call;
    if (worker === undefined) return;
    if (result.type === "revoked") {
      this.#prefetch.returned(worker, call);
      if (call.at === "worker") this.#passOn(call, worker);
    } else {
      call.noteBegun();
      this.#prefetch.note(result.duration);
      const sources = sourcesOf(call.request);
      if (sources !== undefined) worker.answered.add(sources);
      // It has nothing to do as soon as the calls that have started have ended, and then it ends.
      if (result.heapBytes !== undefined) this.#spend(worker);
      if (call.at !== "end") this.#conclude(call, result);
    }
    this.#release(worker, call);
  }

  failed(call: Call, error: unknown, begun: BegunItems | undefined): void {
    const { worker } = call;
    if (worker === undefined) return;
    if (error instanceof WorkerDiedError) this.#pool.remove(worker);
    if (call.at !== "end") {
      // What was not begun is given back, but for what can be sent only once.
      if (error instanceof WorkerDiedError) call.noteBegun();
      this.#division.spare(call, error, begun);
      if (call.size > 0) this.#metrics.failed(error);
      if (call.size === 0 || !this.#retry(call, () => error)) {
        this.#reject(call, noteAttempts(error, call.attempt));
      }
    }
    this.#release(worker, call);
  }

  begun(call: Call): void {
    this.#admission?.begun(call);
    if (call.at !== "end") this.#metrics.begun(call);
  }

  itemBegun(call: Call): void {
    this.#metrics.begun(call);
  }

  cancelled(call: Call): boolean {
    const { worker } = call;
    if (worker === undefined) return true;
    const result = worker.handle.cancel(call);
    if (result === "withdrawn") this.#withdrawn(worker, call);
    // One that was taken back already comes in a moment.
    return result !== "begun" || !worker.kept.includes(call);
  }

  raised(call: Call, priority: number): void {
    if (this.#admission?.raise(call, priority)) return this.#advance();
    const { worker } = call;
    const waits = this.#queue.delete(call) ||
      worker !== undefined && this.#division.recall(worker, call);
    call.priority = priority;
    if (!waits) return;
    this.#queue.push(call);
    this.#prefetch.overtake(call);
    this.#advance();
    if (call.at === "queue") this.#sharing.overtake(call);
  }

  itemRaised(call: Call, index: number, priority: number): void {
    const alone = call.size === 1 ? call : this.#division.isolate(call, index);
    if (alone !== undefined) this.raised(alone, priority);
  }

  abandoned(call: Call, reason: unknown): void {
    const { at, worker } = call;
    if (at === "worker" && worker?.handle.cancel(call) === "withdrawn") {
      this.#withdrawn(worker, call);
      return this.#reject(call, reason);
    }
    this.#giveUp(call, reason);
    if (at === "worker" && worker !== undefined) {
      this.#prefetch.revokeAll(worker);
      // Those that it could not give back have started, or their answer is on its way.
      if (worker.kept.includes(call)) {
        worker.handle.abort(call, reason);
        call.startGracePeriod();
      }
    }
    this.#advance();
  }

  dropped(call: Call, reason: unknown): void {
    if (call.cancel()) return this.abandoned(call, reason);
    // What has begun goes on to its end.
    this.#division.takeBack(call);
    this.#advance();
  }

  late(call: Call, reason: DeadlineError): void {
    this.#giveUp(call, reason);
  }

  overdue(call: Call): void {
    const { worker } = call;
    if (worker === undefined) return;
    this.#prefetch.revokeAll(worker);
    this.#pool.lose(worker);
    // Others would wait for ever.
    this.#admission?.leave(call);
    const { onAbort = "detach" } = this.#options;
    if ((call.onAbort ?? onAbort) === "terminate") this.#pool.kill(worker);
    this.#advance();
  }

  itemsEnded(completed: number, failed: number, retried: number): void {
    this.#metrics.counters.ranItems(completed, failed, retried);
  }

  itemsTold(call: Call, firstId: number, ended: EndedItems): void {
    this.#metrics.itemsEnded(call, firstId, ended);
  }

  printed(call: Call, output: PrintedOutput): void {
    const worker = call.worker?.handle.name ?? "";
    this.#options.output?.({ ...output, worker, task: call.request.task });
  }

  /** What nobody asks anything beside goes as it is. */
  #withFlags(request: CallRequest, { demand }: CallObserver, id: number): CallRequest {
    const limits = this.#limits;
    const output = this.#options.output !== undefined;
    const announce = this.#metrics.followsStarts;
    const nested = this.#nested?.flags(demand === undefined ? undefined : id);
    if (!output && !announce && limits === undefined && nested === undefined) return request;
    return withFlags(request, {
      ...nested,
      ...(limits !== undefined && { limits }),
      ...(output && { output }),
      ...(announce && { announce }),
    });
  }

  #enqueue(call: Call, first: boolean): void {
    if (first) this.#queue.unshift(call);
    else this.#queue.push(call);
  }

  /** A call waits for something beside a worker. */
  #hold(call: Call, delay: number): void {
    this.#admission ??= new Admission({
      capacity: this.#options.capacity ?? {},
      admit: (call, waited) => {
        this.#enqueue(call, waited || this.#nested?.has(call) === true);
        this.#prefetch.overtake(call);
      },
      recall: (call) => this.#queue.delete(call),
      around: (call) => this.#nested?.around(call) ?? [],
      refuse: (call, error) => this.#reject(call, error),
      admitted: () => this.#advance(),
    });
    this.#admission.enter(call, delay);
  }

  #resize(): void {
    this.#pool.resize(this.#maxWorkers + (this.#nested?.holding ?? 0));
  }

  /** Does all that can be done now. */
  #advance(): void {
    this.#assign();
    if (this.#queue.size === 0) this.#prefetch.share();
  }

  /** Brings calls from the queue to workers: an idle one, else a new one, else ahead to a busy one. */
  #assign(): void {
    // What comes back has its place in the queue, which the others would take.
    while (this.#queue.size > 0 && this.#prefetch.returning === 0) {
      const idle = this.#pool.take();
      if (idle !== undefined) this.#send(idle);
      else if (this.#pool.hasRoom && this.#pool.starting < this.#queue.items) void this.#start();
      else if (!this.#sendAhead()) return;
    }
  }

  async #start(): Promise<void> {
    try {
      await this.#pool.start();
    } catch (error) {
      // What a task of the worker's own throws is told call by call; all else is the pool's trouble.
      const call = isHookFailure(error) ? this.#division.next(1) : undefined;
      if (call !== undefined) this.#reject(call, error);
      // Whoever has no other worker to wait for must not wait for ever.
      if (!this.#pool.canServe) this.#rejectQueue(error);
    }
    this.#advance();
  }

  #sendAhead(): boolean {
    const { size, items } = this.#queue;
    const plan = this.#division.travelTogether
      ? this.#prefetch.plan(size, CHUNKS_AHEAD)
      : this.#prefetch.plan(items, Infinity);
    if (plan === undefined) return false;
    const { worker, count } = plan;
    for (let sent = 0; sent < count && worker.room > 0; sent++) this.#send(worker);
    return true;
  }

  #send(worker: PoolWorker<Call>): void {
    const call = this.#division.next(worker.limit - worker.sent);
    if (call === undefined) return;
    if (worker.calls.push(call) === 1) call.headSince = this.#metrics.clock.now;
    call.sentItems = call.size;
    worker.sent += call.size;
    if (call.size > 1) this.#sharing.watch();
    call.send(worker);
    worker.handle.send(call.toRequest(worker.answered), call);
  }

  /** Makes a call of some of another's items. */
  #toPart(call: Call, part: CallPart): Call {
    const made = call.toPart(part, this.#metrics.nextId());
    this.#nested?.addPart(call, made);
    this.#unended++;
    made.wait();
    this.#metrics.queued(made);
    made.listen();
    return made;
  }

  /** A worker is sent no more calls. */
  #spend(worker: PoolWorker<Call>): void {
    worker.spend("memory");
    this.#prefetch.revokeAll(worker);
  }

  /** A worker has not begun a call, and does not get it. */
  #withdrawn(worker: PoolWorker<Call>, call: Call): void {
    call.wait();
    worker.sent -= call.sentItems;
    this.#release(worker, call);
  }

  /** A worker no longer has a call. */
  #release(worker: PoolWorker<Call>, call: Call): void {
    worker.calls.splice(worker.calls.indexOf(call), 1);
    call.clearTimer();
    if (call.at === "end") this.#admission?.leave(call);
    const [head] = worker.calls;
    if (head !== undefined) head.headSince = this.#metrics.clock.now;
    // The first that ends a call makes way.
    if (this.#pool.hasSurplus) this.#prefetch.revokeAll(worker);
    if (worker.calls.length === 0) this.#pool.rest(worker);
    this.#advance();
  }

  /** A worker has not begun a call, which another may run. */
  #passOn(call: Call, { handle }: PoolWorker<Call>): void {
    const error = handle.endedBy === "unresponsive" ? noteUnanswered(call) : undefined;
    if (error === undefined) this.#requeue(call);
    else this.#reject(call, error);
  }

  /** A call that has not ended goes before all others. */
  #requeue(call: Call): void {
    if (call.at === "end") return;
    if (this.#state.state !== "dropping") {
      call.wait();
      return this.#queue.unshift(call);
    }
    const { task } = call.request;
    this.#reject(call, new CancelledError(`Cannot run "${task}": the executor was shut down`));
  }

  #conclude(call: Call, outcome: Outcome): void {
    const { items } = call;
    if (items !== undefined && outcome.type === "value") {
      if (!items.alone && outcome.value !== undefined) call.onMessage(ITEMS, outcome.value);
      this.#division.giveBack(call, items.takeRest());
    }
    this.#metrics.ran(call, outcome);
    if (outcome.type === "error" && this.#retry(call, () => toThrown(outcome.error.thrown))) return;
    this.#leave(call);
    this.#metrics.resolved(call, outcome);
    const again = outcome.type === "error" && call.attempt > 1;
    call.listener.resolve(again ? { ...outcome, attempts: call.attempt } : outcome);
  }

  /** Runs a call that has failed again, if it may and that may help. */
  #retry(call: Call, read: () => unknown, late = false): boolean {
    if (this.#isDropping) return false;
    const retry = decideRetry(call, read, this.#options);
    // Whoever was asked may have given it up, or shut down.
    if (call.at === "end") return true;
    if (retry === undefined || this.#isDropping) return false;
    const next = late ? this.#replace(call) : call;
    next.retried++;
    this.#metrics.retried(next, retry.error);
    next.wait();
    if (next.demand === undefined && retry.delay === 0) this.#queue.unshift(next);
    else {
      this.#admission?.leave(next);
      this.#hold(next, retry.delay);
    }
    return true;
  }

  /** Another one takes the place of a call, which may still run. */
  #replace(call: Call): Call {
    const next = call.toNext();
    this.#nested?.addPart(call, next);
    this.#unended++;
    this.#leave(call);
    this.#metrics.counters.died();
    next.wait();
    next.listen();
    return next;
  }

  /** A call is given up, unless its time was over and it is tried again. */
  #giveUp(call: Call, reason: unknown): void {
    const isLate = reason instanceof DeadlineError && call.at === "worker";
    if (isLate && this.#retry(call, () => reason, true)) return;
    this.#reject(call, isLate ? noteAttempts(reason, call.attempt) : reason);
  }

  get #isDropping(): boolean {
    return this.#state.state === "dropping";
  }

  #rejectQueue(reason: unknown): void {
    for (let call = this.#queue.shift(); call !== undefined; call = this.#queue.shift()) {
      this.#reject(call, reason);
    }
    if (!this.#isDropping) return;
    for (const call of this.#admission?.takeAll() ?? []) this.#reject(call, reason);
  }

  /** A call ends without an outcome, unless it has ended. */
  #reject(call: Call, reason: unknown): void {
    if (call.at === "end") return;
    this.#leave(call);
    this.#metrics.rejected(call, reason);
    call.listener.reject(reason);
  }

  /** The call's way ends here. */
  #leave(call: Call): void {
    const { at } = call;
    call.end();
    if (at !== "worker") this.#admission?.leave(call);
    this.#queue.delete(call);
    if (this.#nested?.delete(call)) this.#resize();
    this.#unended--;
    this.#settleDrained();
  }

  #settleDrained(): void {
    if (this.#unended === 0 && this.#state.state !== "open") this.#drained.resolve();
  }

  async #close(warn: (message: string) => void): Promise<void> {
    await this.#drained.promise;
    this.#sharing.stop();
    await this.#pool.close(warn);
  }
}
