import { CancelledError, ExecutorShutdownError, WorkerDiedError } from "../errors.ts";
import type { CallRequest, Outcome, RunResult, Worker } from "../worker/worker.ts";
import { type CallObserver, DispatchedCall as Call } from "./_dispatch_call.ts";
import { DispatchCrew, type Member } from "./_dispatch_crew.ts";
import { DispatchLog } from "./_dispatch_log.ts";
import { DispatchPace } from "./_dispatch_pace.ts";
import { planAhead } from "./_plan_ahead.ts";
import { PriorityQueue } from "./_priority_queue.ts";
import { errorOf, isRetriable } from "./_retriable.ts";
import type { SafeObserver } from "./_safe_observer.ts";
import type { CallStatistics } from "./call_statistics.ts";

/** Options of {@linkcode Dispatcher}. */
export interface DispatcherOptions {
  /** How many workers may take calls at once. */
  maxWorkers: number;
  /** Starts a worker. */
  open: () => Promise<Worker>;
  /**
   * After how many milliseconds a worker without calls ends.
   *
   * @default {10000}
   */
  idleTimeout?: number;
  /**
   * How many calls a worker is sent ahead when calls are short; 1 for none.
   *
   * @default {128}
   */
  prefetch?: number;
  /**
   * After how many calls a worker is replaced.
   *
   * @default {Infinity}
   */
  maxTasksPerWorker?: number;
  /**
   * How often a call is run again when it fails, if it does not say so itself.
   *
   * @default {0}
   */
  retries?: number;
  /** Follows calls and workers. */
  observer?: SafeObserver;
}

/** Options of {@linkcode Dispatcher.close}. */
export interface DispatcherCloseOptions {
  /**
   * Whether calls that have not started are rejected instead of waited for.
   *
   * @default {false}
   */
  cancelPending?: boolean;
}

/** What a {@linkcode Dispatcher} is doing. */
export interface DispatcherStatistics {
  /** Calls that have not started. */
  readonly queued: number;
  /** Calls that run and were not given up. */
  readonly running: number;
  /** Workers without calls. */
  readonly idle: number;
  /** Workers that take calls, idle ones included. */
  readonly workers: number;
  /** Workers that still run a call that was given up, and take no other. */
  readonly lost: number;
}

type State =
  | { readonly state: "open" }
  | { readonly state: "closing"; readonly cancelPending: boolean; readonly done: Promise<void> };

/**
 * Brings calls to a bounded set of workers: those of a higher priority first, and within one priority
 * first come, first served.
 *
 * A call waits in a queue for a worker, which may be starting; then it is sent. A worker is sent one
 * call at a time while calls take their time, and `prefetch` calls while they are short: sending
 * short calls one by one would cost more than running them. A worker that runs out of calls takes
 * some of those back that were sent ahead to another.
 */
export class Dispatcher implements AsyncDisposable {
  readonly #crew: DispatchCrew<Call>;
  readonly #pace: DispatchPace;
  readonly #queue = new PriorityQueue<Call>();
  readonly #retries: number;
  readonly #log: DispatchLog;
  readonly #giveUp = (call: Call, reason: unknown): void => this.#abort(call, reason);
  /** Calls that have not ended. */
  #unended = 0;
  #given = 0;
  /** Calls that were taken back and are about to be in the queue again, where they have their order. */
  #returning = 0;
  /** Of all calls so far: only one of a higher priority can have to overtake another. */
  #lowestPriority = Infinity;
  #drained: PromiseWithResolvers<void> | undefined;
  #state: State = { state: "open" };

  /**
   * Creates a dispatcher; no worker starts before there is a call.
   *
   * @param options How many workers, and how they start.
   */
  constructor(options: DispatcherOptions) {
    const { maxWorkers, open, idleTimeout = 10_000, prefetch = 128 } = options;
    const { maxTasksPerWorker = Infinity, retries = 0, observer } = options;
    this.#crew = new DispatchCrew({ maxWorkers, open, idleTimeout, maxTasksPerWorker, observer });
    this.#pace = new DispatchPace(prefetch);
    this.#retries = retries;
    this.#log = new DispatchLog(observer);
  }

  /**
   * Runs a call on a worker.
   *
   * @param request The call.
   * @param observer When to give it up, and who is told when it starts.
   * @returns How it ended. The promise rejects with `WorkerDiedError` when the worker died while it
   * ran the call, with `UnclonableError` when an argument cannot be sent, with what `open` threw when
   * no worker could start, with `CancelledError` when the dispatcher was closed over it, with
   * `ExecutorShutdownError` when it was terminated, and with the signal's reason. A running call cannot be stopped: when it is given up, its worker is lost
   * until the call has ended.
   * @throws {ExecutorShutdownError} When the dispatcher is closed.
   */
  run(request: CallRequest, observer: CallObserver = {}): Promise<Outcome> {
    if (this.#state.state !== "open") {
      return Promise.reject(
        new ExecutorShutdownError(`Cannot run "${request.task}": the executor was shut down`),
      );
    }
    const call = new Call(this.#giveUp, request, observer, ++this.#given, this.#log.clock.now);
    this.#unended++;
    call.wait(this.#queue.push(call, call.priority));
    this.#log.queued(call);
    call.listen();
    this.#advance();
    if (call.priority > this.#lowestPriority) this.#overtake(call);
    else this.#lowestPriority = call.priority;
    return call.result.promise;
  }

  /**
   * Changes how many workers may take calls; those that end a call first are those too many.
   *
   * @param maxWorkers The new number.
   */
  resize(maxWorkers: number): void {
    this.#crew.resize(maxWorkers);
    this.#advance();
  }

  /**
   * Counts calls and workers.
   *
   * @returns The counts of this moment.
   */
  statistics(): DispatcherStatistics {
    const { members, idle, lost } = this.#crew;
    let queued = this.#queue.size;
    let running = 0;
    for (const { calls } of members) {
      queued += Math.max(0, calls.length - 1);
      running += Math.min(1, calls.length);
    }
    return { queued, running, idle, workers: members.size, lost };
  }

  /**
   * Counts how calls have ended.
   *
   * @returns The counts so far.
   */
  callStatistics(): CallStatistics {
    return this.#log.tally.counts;
  }

  /**
   * Takes no more calls, waits for those it has, then ends the workers. May be called again.
   *
   * @param options What happens to calls that have not started.
   * @throws What the workers' close hooks threw.
   */
  close(options: DispatcherCloseOptions = {}): Promise<void> {
    const { cancelPending = false } = options;
    const done = this.#state.state === "open" ? this.#close() : this.#state.done;
    if (cancelPending || this.#state.state === "open") {
      this.#state = { state: "closing", cancelPending, done };
    }
    if (cancelPending) this.#cancelPending();
    this.#advance();
    return done;
  }

  /** Ends everything now: what has not ended rejects with `ExecutorShutdownError`. */
  terminate(): void {
    const done = this.#state.state === "open" ? Promise.resolve() : this.#state.done;
    this.#state = { state: "closing", cancelPending: true, done };
    const reason = new ExecutorShutdownError(
      "Cannot finish the call: the executor was shut down",
    );
    this.#rejectQueued(reason);
    for (const { calls } of this.#crew.members) {
      for (const call of calls) this.#reject(call, reason);
    }
    this.#crew.terminate();
    this.#advance();
  }

  /** The same as {@linkcode Dispatcher.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Does all that can be done now. */
  #advance(): void {
    this.#employ();
    if (this.#queue.size === 0) this.#share();
    if (this.#unended === 0) this.#drained?.resolve();
  }

  /** Brings calls from the queue to workers: an idle one, else a new one, else ahead to a busy one. */
  #employ(): void {
    while (this.#queue.size > 0 && this.#returning === 0) {
      const idle = this.#crew.take();
      if (idle !== undefined) this.#send(idle);
      else if (this.#crew.hasRoom && this.#crew.starting < this.#queue.size) void this.#start();
      else if (!this.#sendAhead()) return;
    }
  }

  async #start(): Promise<void> {
    try {
      await this.#crew.start();
    } catch (error) {
      this.#rejectWaiting(error);
    }
    this.#advance();
  }

  /** A worker did not start: whoever has no other worker to wait for must not wait for ever. */
  #rejectWaiting(error: unknown): void {
    const call = this.#queue.shift();
    if (call !== undefined) this.#reject(call, error);
    if (this.#crew.members.size === 0 && this.#crew.starting === 0) this.#rejectQueued(error);
  }

  #sendAhead(): boolean {
    const { depth } = this.#pace;
    const plan = planAhead(this.#crew, { queued: this.#queue.size, depth });
    if (plan === undefined) return false;
    for (let sent = 0; sent < plan.count; sent++) this.#send(plan.member);
    return true;
  }

  /** What was sent ahead and matters less comes back when a call has to wait for it. */
  #overtake(call: Call): void {
    // None may get more when all have had as many as they may in their life.
    const least = this.#crew.leastBusy() ?? this.#crew.mostBusy();
    if (least === undefined || least.revoking > 0 || call.phase.at !== "queue") return;
    for (;;) {
      const newest = least.calls.at(-1 - least.revoking);
      if (newest === undefined || newest.priority >= call.priority) return;
      if (!this.#revoke(least)) return;
    }
  }

  #send(member: Member<Call>): void {
    const call = this.#queue.shift();
    if (call === undefined) return;
    member.calls.push(call);
    member.sent++;
    call.send(member);
    this.#log.sent(call, member.worker.name);
    void member.worker.run(call.request).then(
      (result) => this.#returned(member, call, result),
      (error) => this.#failed(member, call, error),
    );
  }

  #returned(member: Member<Call>, call: Call, result: RunResult): void {
    if (result.type === "revoked") {
      member.sent--;
      // One that was not asked takes no calls, so it is about to be dead.
      if (member.revoking === 0) this.#crew.leave(member);
      else {
        member.revoking--;
        this.#returning--;
      }
      if (call.phase.at === "worker") this.#reenter(call);
    } else {
      this.#pace.note(result.duration);
      // It has nothing to do as soon as the calls that have started have ended, and then it ends.
      if (result.heapBytes !== undefined) this.#spend(member);
      if (call.phase.at !== "end") this.#conclude(call, result);
    }
    this.#release(member, call);
  }

  #conclude(call: Call, outcome: Outcome): void {
    this.#log.ran(call, outcome);
    if (outcome.type === "error" && this.#retry(call, () => errorOf(outcome))) return;
    this.#leave(call);
    this.#log.resolved(call, outcome);
    call.result.resolve(outcome);
  }

  /** Runs a call that has failed again, if it may and that may help. */
  #retry(call: Call, read: () => unknown): boolean {
    if (call.retried >= (call.retries ?? this.#retries)) return false;
    if (this.#state.state === "closing" && this.#state.cancelPending) return false;
    const error = read();
    if (!isRetriable(error)) return false;
    call.retried++;
    this.#log.retried(call, error);
    this.#reenter(call);
    return true;
  }

  /** A worker is sent no more calls. */
  #spend(member: Member<Call>): void {
    member.limit = 0;
    while (this.#revoke(member));
  }

  #failed(member: Member<Call>, call: Call, error: unknown): void {
    if (error instanceof WorkerDiedError) this.#crew.remove(member);
    if (call.phase.at !== "end") {
      this.#log.failed(error);
      if (!this.#retry(call, () => error)) this.#reject(call, error);
    }
    this.#release(member, call);
  }

  /** A call that a worker gave back goes before all others. */
  #reenter(call: Call): void {
    if (this.#state.state === "closing" && this.#state.cancelPending) {
      this.#reject(call, toCancelled(call));
    } else call.wait(this.#queue.unshift(call, call.priority));
  }

  #release(member: Member<Call>, call: Call): void {
    member.calls.splice(member.calls.indexOf(call), 1);
    // The first that ends a call makes way.
    if (this.#crew.hasSurplus) { while (this.#revoke(member)); }
    if (member.calls.length === 0) this.#crew.rest(member);
    this.#advance();
  }

  /** While a worker is idle, takes back from the busiest half of what it was sent. */
  #share(): void {
    if (this.#crew.idle === 0) return;
    const most = this.#crew.mostBusy();
    if (most === undefined || most.revoking > 0) return;
    for (let count = Math.floor(most.calls.length / 2); count > 0; count--) {
      if (!this.#revoke(most)) return;
    }
  }

  #revoke(member: Member<Call>): boolean {
    const revoked = member.worker.revoke();
    if (revoked) {
      member.revoking++;
      this.#returning++;
    }
    return revoked;
  }

  #abort(call: Call, reason: unknown): void {
    const { phase } = call;
    this.#reject(call, reason);
    if (phase.at === "worker") {
      const { member } = phase;
      while (this.#revoke(member));
      // Those that it could not give back have started, or their answer is on its way.
      const started = member.calls.slice(0, member.calls.length - member.revoking);
      if (started.includes(call)) this.#crew.lose(member);
    }
    this.#advance();
  }

  #reject(call: Call, reason: unknown): void {
    if (call.phase.at === "end") return;
    this.#leave(call);
    this.#log.rejected(call, reason);
    call.result.reject(reason);
  }

  /** The call's way ends here. */
  #leave(call: Call): void {
    const phase = call.end();
    if (phase.at === "queue") this.#queue.delete(phase.entry, call.priority);
    this.#unended--;
  }

  #rejectQueued(reason: unknown): void {
    let call = this.#queue.shift();
    for (; call !== undefined; call = this.#queue.shift()) this.#reject(call, reason);
  }

  #cancelPending(): void {
    this.#rejectQueued(new CancelledError("Cannot run the call: the executor was shut down"));
    for (const member of this.#crew.members) while (this.#revoke(member));
  }

  async #close(): Promise<void> {
    if (this.#unended > 0) {
      this.#drained ??= Promise.withResolvers();
      await this.#drained.promise;
    }
    await this.#crew.close();
  }
}

function toCancelled({ request }: Call): CancelledError {
  return new CancelledError(`Cannot run "${request.task}": the executor was shut down`);
}
