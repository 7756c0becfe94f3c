import { CancelledError, ExecutorShutdownError, WorkerDiedError } from "../errors.ts";
import type { OnAbort } from "../task/call_status.ts";
import { checkRequest } from "../worker/check_request.ts";
import type { CallRequest, Outcome, RunResult, Worker } from "../worker/worker.ts";
import { type CallObserver, DispatchedCall as Call } from "./_dispatch_call.ts";
import { DispatchCrew, type Member } from "./_dispatch_crew.ts";
import { DispatchPace } from "./_dispatch_pace.ts";
import { DispatchQueue } from "./_dispatch_queue.ts";
import { type OutputTaker, withOutput } from "./output.ts";

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
  | {
    readonly state: "closing";
    readonly cancelPending: boolean;
    /** Absent when nobody waits. */
    readonly done: Promise<void> | undefined;
  };

/**
 * Brings calls to a bounded set of workers, first come, first served.
 *
 * A call waits in a queue for a worker, which may be starting; then it is sent. A worker is sent one
 * call at a time while calls take their time, and `prefetch` calls while they are short: sending
 * short calls one by one would cost more than running them. A worker that runs out of calls takes
 * some of those back that were sent ahead to another.
 */
export class Dispatcher implements AsyncDisposable {
  readonly #crew: DispatchCrew<Call>;
  readonly #pace: DispatchPace;
  readonly #onAbort: OnAbort;
  readonly #output: OutputTaker | undefined;
  readonly #queue = new DispatchQueue<Call>();
  readonly #giveUp = (call: Call, reason: unknown): void => this.#abort(call, reason);
  /** Calls that have not ended. */
  #unended = 0;
  #drained: PromiseWithResolvers<void> | undefined;
  #state: State = { state: "open" };

  /**
   * Creates a dispatcher; no worker starts before there is a call.
   *
   * @param options How many workers, and how they start.
   */
  constructor(options: DispatcherOptions) {
    const { idleTimeout = 10_000, prefetch = 128, onAbort = "detach" } = options;
    const describe = ({ request }: Call) => request.task;
    this.#crew = new DispatchCrew({ ...options, idleTimeout, describe });
    this.#onAbort = onAbort;
    this.#output = options.output;
    this.#pace = new DispatchPace(prefetch);
  }

  /**
   * Runs a call on a worker.
   *
   * @param request The call.
   * @param observer When to give it up, and who is told when it starts.
   * @returns How it ended. The promise rejects with `WorkerDiedError` when the worker died while it
   * ran the call, with `UnclonableError` when an argument cannot be sent, with what `open` threw when
   * no worker could start, with `CancelledError` when the dispatcher was closed over it, and with
   * the signal's reason or `DeadlineError` when it is given up. A worker that still runs such a call
   * after its grace period is lost until the call has ended, or is ended itself.
   * @throws {ExecutorShutdownError} When the dispatcher is closed.
   */
  run(request: CallRequest, observer: CallObserver = {}): Promise<Outcome> {
    if (this.#state.state !== "open") {
      return Promise.reject(
        new ExecutorShutdownError(`Cannot run "${request.task}": the executor was shut down`),
      );
    }
    // No worker is started for what it could not be sent; one that is there refuses it by itself.
    const refusal = this.#crew.idle === 0 && this.#crew.hasRoom ? checkRequest(request) : undefined;
    if (refusal !== undefined) return Promise.reject(refusal);
    const asked = this.#output === undefined ? request : withOutput(request);
    const call = new Call(this.#giveUp, asked, observer, this.#output);
    this.#unended++;
    call.phase = { at: "queue", entry: this.#queue.push(call) };
    call.listen();
    this.#advance();
    return call.result.promise;
  }

  /**
   * Changes how many workers may take calls; those too many end when they have ended their calls.
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
   * Takes no more calls, waits for those it has, then ends the workers. May be called again.
   *
   * @param options What happens to calls that have not started.
   * @throws What the workers' close hooks threw.
   */
  close(options: DispatcherCloseOptions = {}): Promise<void> {
    const { cancelPending = false, warn = () => {} } = options;
    const before = this.#state.state === "closing" ? this.#state : undefined;
    const done = before?.done ?? this.#close(warn);
    this.#state = {
      state: "closing",
      cancelPending: cancelPending || before?.cancelPending === true,
      done,
    };
    if (cancelPending) this.#cancelPending();
    this.#advance();
    return done;
  }

  /** Ends everything now: calls that wait reject with `CancelledError`, others as their worker ends. */
  terminate(): void {
    const done = this.#state.state === "open" ? undefined : this.#state.done;
    this.#state = { state: "closing", cancelPending: true, done };
    this.#cancelPending();
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
    while (this.#queue.size > 0) {
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

  /**
   * Fills the worker with the fewest calls. Workers are filled again when they are half empty, so
   * that calls travel in batches.
   */
  #sendAhead(): boolean {
    const { depth } = this.#pace;
    const least = this.#crew.leastBusy();
    const spare = this.#queue.size - this.#crew.starting;
    if (least === undefined || depth === 1 || spare <= 0 || least.calls.length > depth / 2) {
      return false;
    }
    let total = spare;
    for (const { calls } of this.#crew.members) total += calls.length;
    const share = Math.ceil(total / this.#crew.members.size);
    const target = Math.min(depth, Math.max(share, least.calls.length + 1));
    const count = Math.min(target - least.calls.length, spare);
    for (let sent = 0; sent < count; sent++) this.#send(least);
    return true;
  }

  #send(member: Member<Call>): void {
    const call = this.#queue.shift();
    if (call === undefined) return;
    member.calls.push(call);
    call.send(member);
    void member.worker.run(call.request, call).then(
      (result) => this.#returned(member, call, result),
      (error) => this.#failed(member, call, error),
    );
  }

  #returned(member: Member<Call>, call: Call, result: RunResult): void {
    if (result.type === "revoked") {
      if (member.revoking > 0) member.revoking--;
      // It takes no calls, so it is about to be dead.
      else this.#crew.leave(member);
      if (call.phase.at === "worker") this.#reenter(call);
    } else {
      this.#pace.note(result.duration);
      if (call.phase.at !== "end") {
        this.#leave(call);
        call.result.resolve(result);
      }
    }
    this.#release(member, call);
  }

  #failed(member: Member<Call>, call: Call, error: unknown): void {
    if (error instanceof WorkerDiedError) this.#crew.remove(member);
    this.#reject(call, error);
    this.#release(member, call);
  }

  /** A call that a worker gave back goes before all others. */
  #reenter(call: Call): void {
    if (this.#state.state === "closing" && this.#state.cancelPending) {
      this.#reject(call, toCancelled(call));
    } else call.phase = { at: "queue", entry: this.#queue.unshift(call) };
  }

  #release(member: Member<Call>, call: Call): void {
    member.calls.splice(member.calls.indexOf(call), 1);
    call.release();
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
    if (revoked) member.revoking++;
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
      if (started.includes(call)) {
        member.worker.abort(call, reason);
        call.await(() => this.#lose(member, call));
      }
    }
    this.#advance();
  }

  /** A call that was given up still runs after its grace period. */
  #lose(member: Member<Call>, call: Call): void {
    while (this.#revoke(member));
    this.#crew.lose(member);
    if ((call.onAbort ?? this.#onAbort) === "terminate") this.#crew.kill(member);
    this.#advance();
  }

  #reject(call: Call, reason: unknown): void {
    if (call.phase.at === "end") return;
    this.#leave(call);
    call.result.reject(reason);
  }

  /** The call's way ends here. */
  #leave(call: Call): void {
    const phase = call.end();
    if (phase.at === "queue") this.#queue.delete(phase.entry);
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

  async #close(warn: (message: string) => void): Promise<void> {
    if (this.#unended > 0) {
      this.#drained ??= Promise.withResolvers();
      await this.#drained.promise;
    }
    await this.#crew.close((worker, task) =>
      warn(
        `Cannot stop worker "${worker}": it still runs "${task}", and the program may not end by ` +
          "itself before that returns; end it by `Deno.exit()`, or use workers that can be killed",
      )
    );
  }
}

function toCancelled({ request }: Call): CancelledError {
  return new CancelledError(`Cannot run "${request.task}": the executor was shut down`);
}
