import { WorkersKilledError } from "../../base/errors.ts";
import type { Worker } from "../../worker/worker.ts";
import type { SafeObserver } from "./observer.ts";

/** A worker and what it was given. */
export interface PoolWorker<C> {
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

/** Options of {@linkcode WorkerPool}. */
export interface WorkerPoolOptions<C> extends ClosingWorkersOptions {
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
export class WorkerPool<C> {
  readonly #options: WorkerPoolOptions<C>;
  readonly #members = new Set<PoolWorker<C>>();
  readonly #idle: DispatchIdle<PoolWorker<C>>;
  /** They run a call that nobody waits for any more. */
  readonly #lost = new Set<PoolWorker<C>>();
  readonly #starts = new Set<Promise<Worker>>();
  readonly #starting = new AbortController();
  readonly #endings: ClosingWorkers;
  readonly #stops = new TerminatedWorkers();
  #maxWorkers: number;
  #phase: "open" | "closing" | "terminated" = "open";

  /**
   * Creates a pool without workers.
   *
   * @param options How many there may be and how they start.
   */
  constructor(options: WorkerPoolOptions<C>) {
    this.#options = options;
    this.#maxWorkers = options.maxWorkers;
    this.#endings = new ClosingWorkers(options);
    this.#idle = new DispatchIdle(options.idleTimeout, (member) => this.#retire(member));
  }

  /** The workers that take calls, idle or busy. */
  get members(): ReadonlySet<PoolWorker<C>> {
    return this.#members;
  }

  /** All workers that may have calls. */
  *everyone(): Iterable<PoolWorker<C>> {
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
  leastBusy(): PoolWorker<C> | undefined {
    let least: PoolWorker<C> | undefined;
    for (const member of this.#members) {
      if (member.sent >= member.limit || member.worker.room === 0) continue;
      if (least === undefined || member.calls.length < least.calls.length) least = member;
    }
    return least;
  }

  /** The worker with the most calls. */
  mostBusy(): PoolWorker<C> | undefined {
    let most: PoolWorker<C> | undefined;
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
      const member: PoolWorker<C> = { worker, calls: [], sent: 0, limit, revoking: 0, answered };
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
  take(): PoolWorker<C> | undefined {
    let member = this.#idle.pop();
    for (; member !== undefined && member.worker.room === 0; member = this.#idle.pop()) {
      // Deaf to all that was taken back from it: a new one is there sooner than it listens.
      this.#retire(member);
    }
    return member;
  }

  /** A worker has nothing to do any more. */
  rest(member: PoolWorker<C>): void {
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
  remove(member: PoolWorker<C>): void {
    this.#lost.delete(member);
    this.#members.delete(member);
    this.#idle.delete(member);
  }

  /** A worker takes no more calls, by itself: what its end may have to tell is asked for. */
  leave(member: PoolWorker<C>): void {
    if (this.#members.has(member) || this.#lost.has(member)) this.#retire(member);
  }

  /** A worker takes no calls until the one that it runs has ended; another may take its place. */
  lose(member: PoolWorker<C>): void {
    if (!this.#members.delete(member)) return;
    this.#lost.add(member);
    // Whoever closes does not wait for it.
    if (this.#phase !== "open") this.#endLost();
  }

  /** Ends a lost worker, which is counted until its code has stopped. */
  kill(member: PoolWorker<C>): void {
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

  #stop(members: Set<PoolWorker<C>>): void {
    for (const member of members) {
      if (member.calls.length === 0) {
        member.worker.terminate();
        this.#endings.add(member.worker);
      } else this.#stops.add(member.worker, this.#nameOf(member));
    }
    members.clear();
  }

  #nameOf({ calls }: PoolWorker<C>): string {
    const [running] = calls;
    return running === undefined ? "" : this.#options.describe(running);
  }

  #retire(member: PoolWorker<C>): void {
    this.remove(member);
    if (this.#phase === "terminated") member.worker.terminate();
    else this.#endings.add(member.worker);
  }
}

/** The longest delay that a timer takes. */
const MAX_DELAY = 2 ** 31 - 1;

/** Options of {@linkcode ClosingWorkers}. */
export interface ClosingWorkersOptions {
  /** After how many milliseconds a worker is killed that has not ended. */
  gracePeriod?: number | undefined;
  /** Is told what went wrong; else it is told in the end. */
  endFailed?: ((error: unknown) => void) | undefined;
}

/** Workers that are ending while nobody waits for them; what goes wrong is told at the end. */
class ClosingWorkers {
  readonly #gracePeriod: number;
  readonly #endFailed: ((error: unknown) => void) | undefined;
  readonly #endings = new Map<Worker, Promise<void>>();
  readonly #failures: unknown[] = [];
  /** Those that did not end in time. */
  readonly #killed: string[] = [];

  /**
   * Creates an empty list.
   *
   * @param options How long workers may take, and who is told.
   */
  constructor(options: ClosingWorkersOptions) {
    this.#gracePeriod = options.gracePeriod ?? Infinity;
    this.#endFailed = options.endFailed;
  }

  /**
   * Lets a worker end.
   *
   * @param worker The worker.
   */
  add(worker: Worker): void {
    const ending = this.within(worker.close(), () => {
      this.noteKilled(`"${worker.name}"`);
      worker.terminate();
    }).catch((error) => this.#noteFailure(error)).finally(() => this.#endings.delete(worker));
    this.#endings.set(worker, ending);
  }

  /** Ends those now that have not ended yet. */
  terminate(): void {
    for (const worker of this.#endings.keys()) worker.terminate();
  }

  /**
   * Waits until all have ended.
   *
   * @throws What a worker's close threw, {@linkcode WorkersKilledError} when workers were killed, or
   * an `AggregateError` of several of these.
   */
  async settled(): Promise<void> {
    await Promise.all(this.#endings.values());
    const failures = [...this.#failures];
    if (this.#killed.length > 0) failures.push(this.#toKilledError(this.#killed));
    if (failures.length > 1) {
      throw new AggregateError(failures, "Cannot end all workers as they should: see errors");
    }
    for (const failure of failures) throw failure;
  }

  /**
   * Waits for an end that may take as long as the grace period.
   *
   * @typeParam T What comes of it.
   * @param end The end.
   * @param kill Brings the end about when the time is over.
   * @returns What comes of it.
   */
  async within<T>(end: Promise<T>, kill: () => void): Promise<T> {
    if (this.#gracePeriod === Infinity) return await end;
    const timer = setTimeout(kill, Math.min(this.#gracePeriod, MAX_DELAY));
    try {
      return await end;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * A worker did not end in time.
   *
   * @param worker What it is called.
   */
  noteKilled(worker: string): void {
    if (this.#endFailed === undefined) this.#killed.push(worker);
    else this.#endFailed(this.#toKilledError([worker]));
  }

  #noteFailure(error: unknown): void {
    if (this.#endFailed === undefined) this.#failures.push(error);
    else this.#endFailed(error);
  }

  #toKilledError(workers: readonly string[]): WorkersKilledError {
    const { length } = workers;
    return new WorkersKilledError(
      `Cannot end ${length} worker${length === 1 ? "" : "s"} in ${this.#gracePeriod} ms: killed ` +
        `${workers.join(", ")}; raise \`gracePeriod\` if they need longer`,
      length,
    );
  }
}

/**
 * What has nothing to do: a stack, so that what was used last, and is warm, is used next, while the
 * others grow old at the bottom and are let go.
 */
class DispatchIdle<T> {
  readonly #timeout: number;
  readonly #retire: (item: T) => void;
  /** Those idle for longest first. */
  readonly #items: { readonly item: T; readonly since: number }[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Creates an empty stack.
   *
   * @param timeout After how many milliseconds an item is let go.
   * @param retire Lets an item go that was taken out because it is old.
   */
  constructor(timeout: number, retire: (item: T) => void) {
    this.#timeout = timeout;
    this.#retire = retire;
  }

  /** How many are idle. */
  get size(): number {
    return this.#items.length;
  }

  /**
   * Adds an item.
   *
   * @param item What has nothing to do from now on.
   */
  push(item: T): void {
    this.#items.push({ item, since: performance.now() });
    this.#setTimer();
  }

  /** Takes the item that was added last. */
  pop(): T | undefined {
    return this.#items.pop()?.item;
  }

  /** Takes the item that is idle for longest. */
  shift(): T | undefined {
    return this.#items.shift()?.item;
  }

  /**
   * Takes an item out, wherever it is.
   *
   * @param item The item.
   */
  delete(item: T): void {
    const index = this.#items.findIndex((entry) => entry.item === item);
    if (index >= 0) this.#items.splice(index, 1);
  }

  /** Takes all items out. */
  clear(): T[] {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    return this.#items.splice(0).map(({ item }) => item);
  }

  #setTimer(): void {
    const [oldest] = this.#items;
    if (this.#timer !== undefined || oldest === undefined || this.#timeout === Infinity) return;
    const delay = oldest.since + this.#timeout - performance.now();
    const timer = setTimeout(() => this.#retireOld(), Math.min(Math.max(delay, 0), MAX_DELAY));
    // An idle worker keeps the process alive by itself; the timer must not do so when there is none.
    Deno.unrefTimer(timer);
    this.#timer = timer;
  }

  #retireOld(): void {
    this.#timer = undefined;
    const limit = performance.now() - this.#timeout;
    const young = this.#items.findIndex(({ since }) => since > limit);
    const old = this.#items.splice(0, young < 0 ? this.#items.length : young);
    for (const { item } of old) this.#retire(item);
    this.#setTimer();
  }
}

/** How long a worker that was ended gets to stop before it counts as stuck, in milliseconds. */
const STOP_TIME = 500;

/** Workers that were ended while they ran a call: a busy web worker goes on until its code returns. */
class TerminatedWorkers {
  readonly #running = new Map<Worker, string>();
  /** Those that are watched until they stop. */
  readonly #watched = new Set<Worker>();
  readonly #watch = new AbortController();

  /** How many are watched and have not stopped. */
  get watched(): number {
    return this.#watched.size;
  }

  /**
   * Ends a worker now.
   *
   * @param worker The worker.
   * @param task The name of the task that it runs.
   */
  add(worker: Worker, task: string): void {
    worker.terminate();
    this.#running.set(worker, task);
  }

  /**
   * Counts a worker until it has stopped.
   *
   * @param worker A worker that was added.
   */
  watch(worker: Worker): void {
    this.#watched.add(worker);
    void worker.stopped(this.#watch.signal).then((stopped) => {
      if (stopped) this.#running.delete(worker);
      this.#watched.delete(worker);
    });
  }

  /**
   * Waits a little for all to stop.
   *
   * @returns The workers that have not, and the names of their tasks.
   */
  async settled(): Promise<ReadonlyMap<Worker, string>> {
    const timer = setTimeout(() => this.#watch.abort(), STOP_TIME);
    const stops = [...this.#running.keys()].map(async (worker) => {
      if (await worker.stopped(this.#watch.signal)) this.#running.delete(worker);
    });
    await Promise.all(stops);
    clearTimeout(timer);
    // Whoever else watches must not keep the program alive.
    this.#watch.abort();
    return this.#running;
  }
}
