import type { Worker } from "../worker/worker.ts";
import { DispatchEndings } from "./_dispatch_endings.ts";
import { DispatchIdle } from "./_dispatch_idle.ts";
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
}

/** Options of {@linkcode DispatchCrew}. */
export interface DispatchCrewOptions {
  /** How many workers there may be. */
  maxWorkers: number;
  /** Starts a worker. */
  open: () => Promise<Worker>;
  /** After how many milliseconds a worker without calls ends. */
  idleTimeout: number;
  /** How many calls a worker may be sent in its life. */
  maxTasksPerWorker: number;
  /** Follows the workers. */
  observer: SafeObserver | undefined;
}

/** The workers of a dispatcher: who is idle, who is lost, who starts, who ends. */
export class DispatchCrew<C> {
  readonly #open: () => Promise<Worker>;
  readonly #members = new Set<Member<C>>();
  readonly #idle: DispatchIdle<Member<C>>;
  /** They run a call that nobody waits for any more. */
  readonly #lost = new Set<Member<C>>();
  readonly #starts = new Set<Promise<Worker>>();
  readonly #endings = new DispatchEndings();
  readonly #maxTasksPerWorker: number;
  readonly #observer: SafeObserver | undefined;
  #maxWorkers: number;
  #phase: "open" | "closing" | "terminated" = "open";

  /**
   * Creates a crew without workers.
   *
   * @param options How many there may be and how they start.
   */
  constructor(options: DispatchCrewOptions) {
    this.#maxWorkers = options.maxWorkers;
    this.#open = options.open;
    this.#maxTasksPerWorker = options.maxTasksPerWorker;
    this.#observer = options.observer;
    this.#idle = new DispatchIdle(options.idleTimeout, (member) => this.#retire(member));
  }

  /** The workers that take calls, idle or busy. */
  get members(): ReadonlySet<Member<C>> {
    return this.#members;
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
    return this.#lost.size;
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
      if (member.sent >= member.limit) continue;
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
    const start = Promise.try(this.#open);
    this.#starts.add(start);
    try {
      const worker = await start;
      const limit = this.#maxTasksPerWorker;
      const member: Member<C> = { worker, calls: [], sent: 0, limit, revoking: 0 };
      this.#members.add(member);
      this.#observer?.tell("workerStarted", { worker: worker.name });
      void worker.dead.then((reason) => {
        this.leave(member);
        this.#observer?.tell("workerEnded", { worker: worker.name, reason });
      });
      this.rest(member);
    } finally {
      this.#starts.delete(start);
    }
  }

  /** Takes the idle worker that was used last. */
  take(): Member<C> | undefined {
    return this.#idle.pop();
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
    if (this.#members.delete(member)) this.#lost.add(member);
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

  /** Ends all workers: each when it has nothing to do, the lost ones at once. */
  async close(): Promise<void> {
    if (this.#phase === "open") this.#phase = "closing";
    for (const member of this.#idle.clear()) this.#retire(member);
    this.#terminate(this.#lost);
    await Promise.allSettled(this.#starts);
    // Busy ones, which at least still have to answer that a call was taken back, end at rest().
    await Promise.all([...this.#members].map(({ worker }) => worker.dead));
    await this.#endings.settled();
  }

  /** Ends all workers now. */
  terminate(): void {
    this.#phase = "terminated";
    this.#idle.clear();
    this.#terminate(this.#members);
    this.#terminate(this.#lost);
    this.#endings.terminate();
  }

  #terminate(members: Set<Member<C>>): void {
    for (const { worker } of members) worker.terminate();
    members.clear();
  }

  #retire(member: Member<C>): void {
    this.remove(member);
    if (this.#phase === "terminated") member.worker.terminate();
    else this.#endings.add(member.worker);
  }
}
