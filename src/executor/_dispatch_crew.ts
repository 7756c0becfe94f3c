import type { Worker } from "../worker/worker.ts";
import { DispatchEndings, type DispatchEndingsOptions } from "./_dispatch_endings.ts";
import { DispatchIdle } from "./_dispatch_idle.ts";
import { DispatchStops } from "./_dispatch_stops.ts";
import type { SafeObserver } from "./_safe_observer.ts";

/** A worker and what it was given. */
export interface Member<C> {
  /** The worker. */
  readonly worker: Worker;
  /** The calls it has, oldest first. */
  readonly calls: C[];
  /** How many calls it was sent in its life, without those that it gave back. */
  sent: number;
  /** How many calls it may be sent in its life. */
  limit: number;
  /** How many calls were taken back from it whose runs have not told so yet. */
  revoking: number;
  /** What it has seen with calls that it has answered, and need not be sent again. */
  readonly answered: WeakSet<object>;
}

/** Options of {@linkcode DispatchCrew}. */
export interface DispatchCrewOptions<C> extends DispatchEndingsOptions {
  /** How many workers there may be. */
  maxWorkers: number;
  /** Starts a worker; the signal gives the start up. */
  open: (signal: AbortSignal) => Promise<Worker>;
  /** After how many milliseconds a worker without calls ends. */
  idleTimeout: number;
  /** The name of a call, for messages. */
  describe: (call: C) => string;
  /** How many calls a worker may be sent in its life. */
  maxTasksPerWorker: number;
  /** Follows the workers. */
  observer: SafeObserver | undefined;
}

/** The workers of a dispatcher: who is idle, who is lost, who starts, who ends. */
export class DispatchCrew<C> {
  readonly #options: DispatchCrewOptions<C>;
  readonly #members = new Set<Member<C>>();
  readonly #idle: DispatchIdle<Member<C>>;
  /** They run a call that nobody waits for any more. */
  readonly #lost = new Set<Member<C>>();
  readonly #starts = new Set<Promise<Worker>>();
  readonly #starting = new AbortController();
  readonly #endings: DispatchEndings;
  readonly #stops = new DispatchStops();
  #maxWorkers: number;
  #phase: "open" | "closing" | "terminated" = "open";

  /**
   * Creates a crew without workers.
   *
   * @param options How many there may be and how they start.
   */
  constructor(options: DispatchCrewOptions<C>) {
    this.#options = options;
    this.#maxWorkers = options.maxWorkers;
    this.#endings = new DispatchEndings(options);
    this.#idle = new DispatchIdle(options.idleTimeout, (member) => this.#retire(member));
  }

  /** The workers that take calls, idle or busy. */
  get members(): ReadonlySet<Member<C>> {
    return this.#members;
  }

  /** All workers that may have calls. */
  *everyone(): Iterable<Member<C>> {
    yield* this.#members;
    yield* this.#lost;
  }

  /** How many workers may take calls. */
  get maxWorkers(): number {
    return this.#maxWorkers;
  }

  /** How many have nothing to do. */
  get idle(): number {
    return this.#idle.size;
  }

  /** How many run a call that nobody waits for. */
  get lost(): number {
    return this.#lost.size + this.#stops.watched;
  }

  /** How many are being started. */
  get starting(): number {
    return this.#starts.size;
  }

  /** Whether another worker may start. */
  get hasRoom(): boolean {
    return this.#members.size + this.#starts.size < this.#maxWorkers;
  }

  /** Whether there are more workers than there may be. */
  get hasSurplus(): boolean {
    return this.#members.size > this.#maxWorkers;
  }

  /** The worker with the fewest calls, of those that may get more. */
  leastBusy(): Member<C> | undefined {
    let least: Member<C> | undefined;
    for (const member of this.#members) {
      if (member.sent >= member.limit || member.worker.room === 0) continue;
      if (least === undefined || member.calls.length < least.calls.length) least = member;
    }
    return least;
  }

  /** The worker with the most calls. */
  mostBusy(): Member<C> | undefined {
    let most: Member<C> | undefined;
    for (const member of this.#members) {
      if (most === undefined || member.calls.length > most.calls.length) most = member;
    }
    return most;
  }

  /**
   * Starts a worker, which then is idle.
   *
   * @returns Resolves when it is there.
   * @throws What `open` throws.
   */
  async start(): Promise<void> {
    const start = Promise.try(this.#options.open, this.#starting.signal);
    this.#starts.add(start);
    try {
      const worker = await start;
      const limit = this.#options.maxTasksPerWorker;
      const answered = new WeakSet<object>();
      const member: Member<C> = { worker, calls: [], sent: 0, limit, revoking: 0, answered };
      this.#members.add(member);
      this.#options.observer?.tell("workerStarted", { worker: worker.name });
      void worker.dead.then((reason) => {
        this.leave(member);
        this.#options.observer?.tell("workerEnded", { worker: worker.name, reason });
      });
      this.rest(member);
    } finally {
      this.#starts.delete(start);
    }
  }

  /** Takes the idle worker that was used last. */
  take(): Member<C> | undefined {
    let member = this.#idle.pop();
    for (; member !== undefined && member.worker.room === 0; member = this.#idle.pop()) {
      // Deaf to all that was taken back from it: a new one is there sooner than it listens.
      this.#retire(member);
    }
    return member;
  }

  /** A worker has nothing to do any more. */
  rest(member: Member<C>): void {
    if (this.#lost.delete(member)) {
      // Another may have taken its place.
      if (!this.hasRoom) return this.#retire(member);
      this.#members.add(member);
    }
    if (!this.#members.has(member)) return;
    const spent = member.sent >= member.limit;
    if (spent || this.hasSurplus || this.#phase !== "open") this.#retire(member);
    else this.#idle.push(member);
  }

  /** A worker takes no more calls: it is dead. */
  remove(member: Member<C>): void {
    this.#lost.delete(member);
    this.#members.delete(member);
    this.#idle.delete(member);
  }

  /** A worker takes no more calls, by itself: what its end may have to tell is asked for. */
  leave(member: Member<C>): void {
    if (this.#members.has(member) || this.#lost.has(member)) this.#retire(member);
  }

  /** A worker takes no calls until the one that it runs has ended; another may take its place. */
  lose(member: Member<C>): void {
    if (!this.#members.delete(member)) return;
    this.#lost.add(member);
    // Whoever closes does not wait for it.
    if (this.#phase !== "open") this.#endLost();
  }

  /** Ends a lost worker, which is counted until its code has stopped. */
  kill(member: Member<C>): void {
    if (!this.#lost.delete(member)) return;
    this.#stops.add(member.worker, this.#nameOf(member));
    this.#stops.watch(member.worker);
  }

  /**
   * Changes how many workers there may be; those that are too many end when they have nothing to do.
   *
   * @param maxWorkers The new number.
   */
  resize(maxWorkers: number): void {
    this.#maxWorkers = maxWorkers;
    while (this.#members.size > maxWorkers) {
      const oldest = this.#idle.shift();
      if (oldest === undefined) return;
      this.#retire(oldest);
    }
  }

  /**
   * Ends all workers: each when it has nothing to do, the lost ones in the grace period, if there is
   * one, and else at once.
   *
   * @param stuck Told of each worker that cannot be stopped, and the name of the call that it runs.
   */
  async close(stuck: (worker: string, call: string) => void): Promise<void> {
    if (this.#phase === "open") this.#phase = "closing";
    for (const member of this.#idle.clear()) this.#retire(member);
    this.#endLost();
    await this.#endings.within(Promise.allSettled(this.#starts), () => {
      for (const _ of this.#starts) this.#endings.noteKilled("one that was starting");
      this.#starting.abort();
    });
    // Busy ones, which at least still have to answer that a call was taken back, end at rest().
    await Promise.all([...this.#members].map(({ worker }) => worker.dead));
    for (const [worker, call] of await this.#stops.settled()) stuck(worker.name, call);
    await this.#endings.settled();
  }

  /** Ends all workers now. */
  terminate(): void {
    this.#phase = "terminated";
    this.#starting.abort();
    this.#idle.clear();
    this.#stop(this.#members);
    this.#stop(this.#lost);
    this.#endings.terminate();
  }

  #endLost(): void {
    if (this.#options.gracePeriod === undefined || this.#phase === "terminated") {
      return this.#stop(this.#lost);
    }
    for (const member of this.#lost) this.#retire(member);
  }

  #stop(members: Set<Member<C>>): void {
    for (const member of members) {
      if (member.calls.length === 0) {
        member.worker.terminate();
        this.#endings.add(member.worker);
      } else this.#stops.add(member.worker, this.#nameOf(member));
    }
    members.clear();
  }

  #nameOf({ calls }: Member<C>): string {
    const [running] = calls;
    return running === undefined ? "" : this.#options.describe(running);
  }

  #retire(member: Member<C>): void {
    this.remove(member);
    if (this.#phase === "terminated") member.worker.terminate();
    else this.#endings.add(member.worker);
  }
}
