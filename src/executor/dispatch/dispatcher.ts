import { CancelledError, ExecutorShutdownError, WorkerDiedError } from "../../base/errors.ts";
import type { OnAbort } from "../../task/future.ts";
import { checkRequest } from "../../worker/wire/unclonable.ts";
import type { CallRequest, Outcome, RunResult, Worker } from "../../worker/worker.ts";
import type { CallStatistics, OutputTaker } from "../call_options.ts";
import { type CallLimits, sourcesOf, withFlags, withoutSources } from "../wire/call_context.ts";
import type { CallObserver, DispatchedCall as Call, OutcomeListener } from "./call.ts";
import { DispatchCalls } from "./calls.ts";
import { type PoolWorker, WorkerPool } from "./worker_pool.ts";
import type { SafeObserver } from "./observer.ts";

/** Options of {@linkcode Dispatcher}. */
export interface DispatcherOptions {
  /** How many workers may take calls at once. */
  maxWorkers: number;
  /** Starts a worker; the signal gives the start up. */
  open: (signal: AbortSignal) => Promise<Worker>;
  /**
   * After how many milliseconds a worker without calls ends.
   *
   * @default {10000}
   */
  idleTimeout?: number;
  /**
   * After how many milliseconds a worker that is to end is killed. Lost ones get as long when the
   * dispatcher is closed; without a grace period they are killed at once, and others never.
   */
  gracePeriod?: number | undefined;
  /** Is told what went wrong at a worker's end; else whoever closes the dispatcher is. */
  endFailed?: ((error: unknown) => void) | undefined;
  /**
   * How many calls a worker is sent ahead when calls are short; 1 for none.
   *
   * @default {128}
   */
  prefetch?: number;
  /**
   * What becomes of a worker whose call is given up while it runs, unless the call says otherwise.
   *
   * @default {"detach"}
   */
  onAbort?: OnAbort;
  /** Takes what tasks print; it is printed by the workers when left out. */
  output?: OutputTaker | undefined;
  /** Says what holds for each call on its worker. */
  limits?: () => CallLimits | undefined;
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
  observer?: SafeObserver | undefined;
}

/** Options of {@linkcode Dispatcher.close}. */
export interface DispatcherCloseOptions {
  /**
   * Whether calls that have not started are rejected instead of waited for.
   *
   * @default {false}
   */
  cancelPending?: boolean;
  /** Told of workers that could not be stopped. */
  warn?: (message: string) => void;
}

/** What a {@linkcode Dispatcher} is doing. */
export interface WorkerStatistics {
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
  | {
    readonly state: "closing";
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
 */
export class Dispatcher implements AsyncDisposable {
  readonly #pool: WorkerPool<Call>;
  readonly #pace: PrefetchPolicy;
  readonly #calls: DispatchCalls;
  readonly #output: OutputTaker | undefined;
  readonly #limits: () => CallLimits | undefined;
  readonly #onAbort: OnAbort;
  /** Calls that were taken back and are about to be in the queue again, where they have their order. */
  #returning = 0;
  /** Of all calls so far: only one of a higher priority can have to overtake another. */
  #lowestPriority = Infinity;
  #state: State = { state: "open" };

  /**
   * Creates a dispatcher; no worker starts before there is a call.
   *
   * @param options How many workers, and how they start.
   */
  constructor(options: DispatcherOptions) {
    const { idleTimeout = 10_000, prefetch = 128, maxTasksPerWorker = Infinity } = options;
    const { onAbort = "detach", retries = 0, limits = () => undefined } = options;
    const { observer, output } = options;
    const describe = ({ request }: Call) => request.task;
    const workers = { ...options, idleTimeout, maxTasksPerWorker, observer, describe };
    this.#pool = new WorkerPool(workers);
    this.#pace = new PrefetchPolicy(prefetch);
    this.#calls = new DispatchCalls({
      giveUp: (call, reason) => this.#abort(call, reason),
      returned: (call, result) => this.#returned(call, result),
      failed: (call, error) => this.#failed(call, error),
      output,
      retries,
      observer,
    });
    this.#output = output;
    this.#limits = limits;
    this.#onAbort = onAbort;
  }

  /**
   * Runs a call on a worker.
   *
   * @param request The call.
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
   * @param request The call.
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
    const call = this.#calls.admit(this.#demand(request), observer, listener);
    this.#advance();
    if (call.priority > this.#lowestPriority) this.#overtake(call);
    else this.#lowestPriority = call.priority;
  }

  /**
   * Changes how many workers may take calls; those that end a call first are those too many.
   *
   * @param maxWorkers The new number.
   */
  resize(maxWorkers: number): void {
    this.#pool.resize(maxWorkers);
    this.#advance();
  }

  /**
   * Counts calls and workers.
   *
   * @returns The counts of this moment.
   */
  statistics(): WorkerStatistics {
    const { members, idle, lost } = this.#pool;
    let queued = this.#calls.waiting;
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
    return this.#calls.log.counters.counts;
  }

  /**
   * Takes no more calls, waits for those it has, then ends the workers. May be called again.
   *
   * @param options What happens to calls that have not started.
   * @throws What the workers' close hooks threw.
   */
  close(options: DispatcherCloseOptions = {}): Promise<void> {
    const { cancelPending = false, warn = () => {} } = options;
    const before = this.#state.state === "closing" ? this.#state.done : undefined;
    const done = before ?? this.#close(warn);
    this.#state = { state: "closing", done };
    if (cancelPending) this.#cancelPending();
    this.#advance();
    return done;
  }

  /** Ends everything now: what has not ended rejects with `ExecutorShutdownError`. */
  terminate(): void {
    const done = this.#state.state === "open" ? undefined : this.#state.done;
    this.#state = { state: "closing", done };
    const reason = new ExecutorShutdownError("Cannot finish the call: the executor was shut down");
    this.#calls.drop(reason);
    for (const { calls } of this.#pool.everyone()) {
      for (const call of calls) this.#calls.reject(call, reason);
    }
    this.#pool.terminate();
    this.#advance();
  }

  /** The same as {@linkcode Dispatcher.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** What nobody asks anything beside goes as it is. */
  #demand(request: CallRequest): CallRequest {
    const limits = this.#limits();
    const output = this.#output !== undefined;
    if (limits === undefined && !output) return request;
    return withFlags(request, {
      ...(limits !== undefined && { limits }),
      ...(output && { output }),
    });
  }

  /** Does all that can be done now. */
  #advance(): void {
    this.#employ();
    if (this.#calls.waiting === 0) this.#share();
  }

  /** Brings calls from the queue to workers: an idle one, else a new one, else ahead to a busy one. */
  #employ(): void {
    while (this.#calls.waiting > 0 && this.#returning === 0) {
      const idle = this.#pool.take();
      if (idle !== undefined) this.#send(idle);
      else if (this.#pool.hasRoom && this.#pool.starting < this.#calls.waiting) void this.#start();
      else if (!this.#sendAhead()) return;
    }
  }

  async #start(): Promise<void> {
    try {
      await this.#pool.start();
    } catch (error) {
      this.#rejectWaiting(error);
    }
    this.#advance();
  }

  /** A worker did not start: whoever has no other worker to wait for must not wait for ever. */
  #rejectWaiting(error: unknown): void {
    const call = this.#calls.next();
    if (call !== undefined) this.#calls.reject(call, error);
    if (this.#pool.members.size === 0 && this.#pool.starting === 0) {
      this.#calls.rejectWaiting(error);
    }
  }

  #sendAhead(): boolean {
    const { depth } = this.#pace;
    const plan = planAhead(this.#pool, { queued: this.#calls.waiting, depth });
    if (plan === undefined) return false;
    for (let sent = 0; sent < plan.count; sent++) this.#send(plan.member);
    return true;
  }

  /** What was sent ahead and matters less comes back when a call has to wait for it. */
  #overtake(call: Call): void {
    // None may get more when all have had as many as they may in their life.
    const least = this.#pool.leastBusy() ?? this.#pool.mostBusy();
    if (least === undefined || least.revoking > 0 || call.at !== "queue") return;
    for (;;) {
      const newest = least.calls.at(-1 - least.revoking);
      if (newest === undefined || newest.priority >= call.priority) return;
      if (!this.#revoke(least)) return;
    }
  }

  #send(member: PoolWorker<Call>): void {
    const call = this.#calls.next();
    if (call === undefined) return;
    member.calls.push(call);
    member.sent++;
    call.send(member);
    this.#calls.log.sent(call, member.worker.name);
    const sources = sourcesOf(call.request);
    const known = sources !== undefined && member.answered.has(sources);
    member.worker.send(known ? withoutSources(call.request) : call.request, call);
  }

  #returned(call: Call, result: RunResult): void {
    const { member } = call;
    if (member === undefined) return;
    if (result.type === "revoked") {
      member.sent--;
      // One that was not asked takes no calls, so it is about to be dead.
      if (member.revoking === 0) this.#pool.leave(member);
      else {
        member.revoking--;
        this.#returning--;
      }
      if (call.at === "worker") this.#calls.reenter(call);
    } else {
      this.#pace.note(result.duration);
      const sources = sourcesOf(call.request);
      if (sources !== undefined) member.answered.add(sources);
      // It has nothing to do as soon as the calls that have started have ended, and then it ends.
      if (result.heapBytes !== undefined) this.#spend(member);
      if (call.at !== "end") this.#calls.conclude(call, result);
    }
    this.#release(member, call);
  }

  #failed(call: Call, error: unknown): void {
    const { member } = call;
    if (member === undefined) return;
    if (error instanceof WorkerDiedError) this.#pool.remove(member);
    if (call.at !== "end") this.#calls.fail(call, error);
    this.#release(member, call);
  }

  /** A worker is sent no more calls. */
  #spend(member: PoolWorker<Call>): void {
    member.limit = 0;
    while (this.#revoke(member));
  }

  #release(member: PoolWorker<Call>, call: Call): void {
    member.calls.splice(member.calls.indexOf(call), 1);
    call.release();
    // The first that ends a call makes way.
    if (this.#pool.hasSurplus) { while (this.#revoke(member)); }
    if (member.calls.length === 0) this.#pool.rest(member);
    this.#advance();
  }

  /** While a worker is idle, takes back from the busiest half of what it was sent. */
  #share(): void {
    if (this.#pool.idle === 0) return;
    const most = this.#pool.mostBusy();
    if (most === undefined || most.revoking > 0) return;
    for (let count = Math.floor(most.calls.length / 2); count > 0; count--) {
      if (!this.#revoke(most)) return;
    }
  }

  #revoke(member: PoolWorker<Call>): boolean {
    const revoked = member.worker.revoke();
    if (revoked) {
      member.revoking++;
      this.#returning++;
    }
    return revoked;
  }

  #abort(call: Call, reason: unknown): void {
    const { at, member } = call;
    this.#calls.reject(call, reason);
    if (at === "worker" && member !== undefined) {
      while (this.#revoke(member));
      // Those that it could not give back have started, or their answer is on its way.
      const started = member.calls.slice(0, member.calls.length - member.revoking);
      if (started.includes(call)) {
        member.worker.abort(call, reason);
        call.await(() => this.#lose(member, call));
      }
    }
    this.#advance();
  }

  /** A call that was given up still runs after its grace period. */
  #lose(member: PoolWorker<Call>, call: Call): void {
    while (this.#revoke(member));
    this.#pool.lose(member);
    if ((call.onAbort ?? this.#onAbort) === "terminate") this.#pool.kill(member);
    this.#advance();
  }

  #cancelPending(): void {
    this.#calls.drop(new CancelledError("Cannot run the call: the executor was shut down"));
    for (const member of this.#pool.members) while (this.#revoke(member));
  }

  async #close(warn: (message: string) => void): Promise<void> {
    await this.#calls.drained();
    await this.#pool.close((worker, task) =>
      warn(
        `Cannot stop worker "${worker}": it still runs "${task}", and the program may not end by ` +
          "itself before that returns; end it by `Deno.exit()`, or use workers that can be killed",
      )
    );
  }
}

/** Calls shorter than this, in milliseconds, cost less than sending them one by one. */
const SHORT_CALL = 0.5;
/** How much the newest call counts in the average. */
const WEIGHT = 1 / 8;

/** Decides how many calls are sent to a worker at once, by how long calls have lately taken. */
class PrefetchPolicy {
  readonly #prefetch: number;
  #average: number | undefined;

  /**
   * Creates the pace of a dispatcher.
   *
   * @param prefetch How many calls a worker gets when they are short.
   */
  constructor(prefetch: number) {
    this.#prefetch = prefetch;
  }

  /** How many calls a worker may have; 1 as long as nothing is known. */
  get depth(): number {
    return this.#average !== undefined && this.#average < SHORT_CALL ? this.#prefetch : 1;
  }

  /**
   * Learns from a call.
   *
   * @param duration How long it took, in milliseconds.
   */
  note(duration: number): void {
    this.#average = this.#average === undefined
      ? duration
      : this.#average + WEIGHT * (duration - this.#average);
  }
}

/** How many calls are to be sent to which worker at once. */
interface SendPlan<C> {
  /** The worker. */
  readonly member: PoolWorker<C>;
  /** How many calls. */
  readonly count: number;
}

/** What there is to send. */
interface Backlog {
  /** How many calls wait. */
  readonly queued: number;
  /** How many calls a worker may have at once. */
  readonly depth: number;
}

/**
 * Decides which busy worker is sent more calls: the one with the fewest. Workers are filled again when
 * they are half empty, so that calls travel in batches, and each gets its equal share.
 *
 * @typeParam C A call.
 * @param pool The workers; there is no idle one.
 * @param backlog What there is to send.
 * @returns What to send, or `undefined` when the calls are better kept.
 */
function planAhead<C>(
  pool: WorkerPool<C>,
  { queued, depth }: Backlog,
): SendPlan<C> | undefined {
  const spare = queued - pool.starting;
  // Who is one too many ends as soon as it has nothing to do.
  if (depth === 1 || spare <= 0 || pool.hasSurplus) return undefined;
  const member = pool.leastBusy();
  if (member === undefined || member.calls.length > depth / 2) return undefined;
  let total = spare;
  for (const { calls } of pool.members) total += calls.length;
  const share = Math.ceil(total / pool.members.size);
  const target = Math.min(depth, Math.max(share, member.calls.length + 1));
  const room = Math.min(member.limit - member.sent, member.worker.room);
  return { member, count: Math.min(target - member.calls.length, spare, room) };
}
