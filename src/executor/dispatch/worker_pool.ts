import { WorkersKilledError } from "../../base/errors.ts";
import { type ArrivalCheck, GiveUpTimer } from "../../base/abortable.ts";
import type { QuiverWarning } from "../../base/warning.ts";
import type { CallRequest, Worker } from "../../worker/worker.ts";
import type { WorkerEnding } from "../call_options.ts";
import type { SafeObserver } from "./observer.ts";
import { StartBackoff } from "./start_backoff.ts";

/** A worker and what it was given. */
export class PoolWorker<C> {
  /** The worker itself. */
  readonly handle: Worker;
  /** The calls it has, oldest first. */
  readonly calls: C[] = [];
  /** How many calls and items of calls it was sent in its life, without those that it gave back. */
  sent = 0;
  /** How many calls it may be sent in its life. */
  limit: number;
  /** Why it is ended, as soon as that is decided. */
  ending: WorkerEnding | undefined;
  /** How many calls were taken back from it whose runs have not told so yet. */
  revoking = 0;
  /** What it has seen with calls that it has answered, and need not be sent again. */
  readonly answered: WeakSet<object> = new WeakSet();

  /**
   * Wraps a worker that was just opened.
   *
   * @param limit How many calls it may be sent in its life.
   */
  constructor(handle: Worker, limit: number) {
    this.handle = handle;
    this.limit = limit;
  }

  /** How many more calls it may be sent now. */
  get room(): number {
    return Math.min(this.limit - this.sent, this.handle.room);
  }

  /** Why it is no more. */
  get ended(): WorkerEnding {
    const { endedBy = "closed" } = this.handle;
    if (endedBy === "killed" || endedBy === "crashed" || endedBy === "unresponsive") return endedBy;
    return this.ending ?? (endedBy === "closed" ? "shutdown" : endedBy);
  }

  /**
   * It is sent no more calls.
   *
   * @param why Why it ends when it has nothing to do.
   */
  spend(why: WorkerEnding): void {
    this.limit = 0;
    this.ending ??= why;
  }

  /** The calls that are not taken back from it: they have started, or may at any time. */
  get kept(): C[] {
    return this.calls.slice(0, this.calls.length - this.revoking);
  }
}

/** Options of {@linkcode WorkerPool}. */
export interface WorkerPoolOptions extends ClosingWorkersOptions {
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
   * After how many calls a worker is replaced.
   *
   * @default {Infinity}
   */
  maxTasksPerWorker?: number;
  /** After how many milliseconds a start that has failed is tried again; see {@linkcode StartBackoff}. */
  startDelay?: number;
  /** Told of what costs no call. */
  warn?: (warning: QuiverWarning) => void;
  /** Follows calls and workers. */
  observer?: SafeObserver | undefined;
}

/** The workers of a dispatcher: who is idle, who is lost, who starts, who ends. */
export class WorkerPool<C extends { readonly request: CallRequest }> {
  readonly #options: WorkerPoolOptions;
  readonly #workers = new Set<PoolWorker<C>>();
  readonly #idle: IdleStack<PoolWorker<C>>;
  /** They run a call that nobody waits for any more. */
  readonly #lost = new Set<PoolWorker<C>>();
  readonly #starts = new Set<Promise<Worker>>();
  /** How many have ended, by why. */
  readonly #ended = new Map<WorkerEnding, number>();
  readonly #starting = new AbortController();
  readonly #backoff: StartBackoff;
  readonly #closing: ClosingWorkers;
  readonly #terminated = new TerminatedWorkers();
  #maxWorkers: number;
  #phase: "open" | "closing" | "terminated" = "open";

  /**
   * Creates a pool without workers.
   *
   * @param options How many there may be and how they start.
   * @param retry Starts what is needed, if a start has failed before.
   */
  constructor(options: WorkerPoolOptions, retry: () => void) {
    this.#options = options;
    this.#backoff = new StartBackoff({ ...options, retry });
    this.#maxWorkers = options.maxWorkers;
    this.#closing = new ClosingWorkers(options);
    this.#idle = new IdleStack(options.idleTimeout ?? 10_000, (worker) => {
      this.#close(worker, "idle");
    });
  }

  /** The workers that take calls, idle or busy. */
  get workers(): ReadonlySet<PoolWorker<C>> {
    return this.#workers;
  }

  /** The calls of all workers. */
  *calls(): Iterable<C> {
    for (const { calls } of [...this.#workers, ...this.#lost]) yield* calls;
  }

  /** How many have nothing to do. */
  get idle(): number {
    return this.#idle.size;
  }

  /** How many run a call that nobody waits for, or what a call has left behind. */
  get lost(): number {
    return this.#lost.size + this.#terminated.watched;
  }

  /** How many workers have ended, by why; `undefined` if none has. */
  get ended(): { readonly [E in WorkerEnding]?: number } | undefined {
    return this.#ended.size === 0 ? undefined : Object.fromEntries(this.#ended);
  }

  /** How many are being started. */
  get starting(): number {
    return this.#starts.size;
  }

  /** Whether another worker may start. */
  get hasRoom(): boolean {
    const most = Math.min(this.#maxWorkers, this.#backoff.ceiling);
    return this.#workers.size + this.#starts.size < most;
  }

  /** Whether there is a worker that takes calls, or will be one. */
  get canServe(): boolean {
    return this.#workers.size + this.#starts.size > 0 || this.#backoff.waiting;
  }

  /** Whether there are more workers than there may be. */
  get hasSurplus(): boolean {
    return this.#workers.size > this.#maxWorkers;
  }

  /** The worker with the fewest calls, of those that may get more. */
  leastBusy(): PoolWorker<C> | undefined {
    let least: PoolWorker<C> | undefined;
    for (const worker of this.#workers) {
      if (worker.room <= 0) continue;
      if (least === undefined || worker.calls.length < least.calls.length) least = worker;
    }
    return least;
  }

  /** The worker with the most calls. */
  mostBusy(): PoolWorker<C> | undefined {
    let most: PoolWorker<C> | undefined;
    for (const worker of this.#workers) {
      if (most === undefined || worker.calls.length > most.calls.length) most = worker;
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
    const { open, maxTasksPerWorker = Infinity, observer } = this.#options;
    const start = Promise.try(open, this.#starting.signal);
    this.#starts.add(start);
    try {
      const handle = await start;
      this.#backoff.started();
      const worker = new PoolWorker<C>(handle, maxTasksPerWorker);
      this.#workers.add(worker);
      observer?.tell("workerStarted", { worker: handle.name });
      void handle.dead.then((reason) => {
        this.#bury(worker);
        const ending = worker.ended;
        if (ending === "unresponsive") {
          this.#terminated.watch(handle, "what an earlier call has left behind");
        }
        this.#ended.set(ending, (this.#ended.get(ending) ?? 0) + 1);
        observer?.tell("workerEnded", { worker: handle.name, ending, reason });
      });
      this.rest(worker);
    } catch (error) {
      const starting = this.#starts.size - 1;
      if (this.#phase === "open") this.#backoff.failed(error, this.#workers.size, starting);
      throw error;
    } finally {
      this.#starts.delete(start);
    }
  }

  /** Takes the idle worker that was used last. */
  take(): PoolWorker<C> | undefined {
    let worker = this.#idle.pop();
    for (; worker !== undefined && worker.room <= 0; worker = this.#idle.pop()) {
      // Deaf to all that was taken back from it: a new one is there sooner than it listens.
      this.#close(worker, "replaced");
    }
    return worker;
  }

  /** A worker has nothing to do any more. */
  rest(worker: PoolWorker<C>): void {
    if (this.#lost.delete(worker)) {
      // Another may have taken its place.
      if (!this.hasRoom) return this.#close(worker, "surplus");
      this.#workers.add(worker);
    }
    if (!this.#workers.has(worker)) return;
    if (worker.sent >= worker.limit) this.#close(worker, "tasks");
    else if (this.hasSurplus) this.#close(worker, "surplus");
    else if (this.#phase !== "open") this.#close(worker, "shutdown");
    else this.#idle.push(worker);
  }

  /** A worker takes no more calls: it is dead. */
  remove(worker: PoolWorker<C>): void {
    this.#lost.delete(worker);
    this.#workers.delete(worker);
    this.#idle.delete(worker);
  }

  /** A worker takes no more calls, by itself; it may still have some that it could not give back. */
  leave(worker: PoolWorker<C>): void {
    // It ends as soon as it has nothing to do.
    worker.spend(worker.handle.endedBy === "replaced" ? "replaced" : "retired");
  }

  /** A worker takes no calls until the one that it runs has ended; another may take its place. */
  lose(worker: PoolWorker<C>): void {
    if (!this.#workers.delete(worker)) return;
    this.#lost.add(worker);
    // Whoever closes does not wait for it.
    if (this.#phase !== "open") this.#endLost();
  }

  /** Ends a lost worker, which is counted until its code has stopped. */
  kill(worker: PoolWorker<C>): void {
    if (!this.#lost.delete(worker)) return;
    worker.handle.terminate();
    this.#terminated.watch(worker.handle, nameOf(worker));
  }

  /**
   * Changes how many workers there may be; those that are too many end when they have nothing to do.
   */
  resize(maxWorkers: number): void {
    this.#maxWorkers = maxWorkers;
    while (this.#workers.size > maxWorkers) {
      const oldest = this.#idle.shift();
      if (oldest === undefined) return;
      this.#close(oldest, "surplus");
    }
  }

  /**
   * Ends all workers: each when it has nothing to do, the lost ones in the grace period, if there is
   * one, and else at once.
   *
   * @param warn Told of each worker that cannot be stopped.
   */
  async close(warn: (message: string) => void): Promise<void> {
    if (this.#phase === "open") this.#phase = "closing";
    this.#backoff.reset();
    for (const worker of this.#idle.clear()) this.#close(worker, "shutdown");
    this.#endLost();
    await this.#closing.within(Promise.allSettled(this.#starts), () => {
      for (const _ of this.#starts) this.#closing.noteKilled("one that was starting");
      this.#starting.abort();
    });
    // Busy ones, which at least still have to answer that a call was taken back, end at rest().
    await Promise.all([...this.#workers].map(({ handle }) => handle.dead));
    const [ended] = await Promise.allSettled([this.#closing.settled()]);
    for (const [{ name }, code] of await this.#terminated.settled()) {
      warn(
        `Cannot stop worker "${name}": it still runs ${code}, and the program may not end by ` +
          "itself before that returns; end it by `Deno.exit()`, or use workers that can be killed",
      );
    }
    if (ended.status === "rejected") throw ended.reason;
  }

  /** Ends all workers now. */
  terminate(): void {
    this.#phase = "terminated";
    this.#backoff.reset();
    this.#starting.abort();
    this.#idle.clear();
    this.#stop(this.#workers);
    this.#stop(this.#lost);
    this.#closing.terminate();
  }

  /** A worker is dead: what its end may have to tell is asked for. */
  #bury(worker: PoolWorker<C>): void {
    if (this.#workers.has(worker) || this.#lost.has(worker)) this.#close(worker, undefined);
  }

  #endLost(): void {
    if (this.#options.gracePeriod === undefined || this.#phase === "terminated") {
      return this.#stop(this.#lost);
    }
    for (const worker of this.#lost) this.#close(worker, "shutdown");
  }

  #stop(workers: Set<PoolWorker<C>>): void {
    for (const worker of workers) {
      if (worker.calls.length === 0) {
        worker.handle.terminate();
        this.#closing.add(worker.handle);
      } else this.#terminated.add(worker.handle, nameOf(worker));
    }
    workers.clear();
  }

  #close(worker: PoolWorker<C>, why: WorkerEnding | undefined): void {
    worker.ending ??= why;
    this.remove(worker);
    if (this.#phase === "terminated") worker.handle.terminate();
    else this.#closing.add(worker.handle);
  }
}

function nameOf({ calls: [running] }: PoolWorker<{ readonly request: CallRequest }>): string {
  return `"${running?.request.task ?? ""}"`;
}

/** Options of {@linkcode ClosingWorkers}. */
export interface ClosingWorkersOptions {
  /**
   * After how many milliseconds a worker that is to end is killed. Lost ones get as long when the
   * dispatcher is closed; without a grace period they are killed at once, and others never.
   */
  gracePeriod?: number | undefined;
  /** Is told what went wrong at a worker's end; else whoever closes the dispatcher is. */
  endFailed?: ((error: unknown) => void) | undefined;
}

/** Workers that are ending while nobody waits for them; what goes wrong is told at the end. */
class ClosingWorkers {
  readonly #gracePeriod: number;
  readonly #endFailed: ((error: unknown) => void) | undefined;
  readonly #ends = new Map<Worker, Promise<void>>();
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

  /** Lets a worker end. */
  add(worker: Worker): void {
    const kill = () => {
      this.noteKilled(`"${worker.name}"`);
      worker.terminate();
    };
    const checkArrivals = () => worker.checkArrivals();
    const end = this.within(worker.close(), kill, checkArrivals).catch((error) =>
      this.#noteFailure(error)
    ).finally(() => this.#ends.delete(worker));
    this.#ends.set(worker, end);
  }

  /** Ends those now that have not ended yet. */
  terminate(): void {
    for (const worker of this.#ends.keys()) worker.terminate();
  }

  /**
   * Waits until all have ended.
   *
   * @throws What a worker's close threw, {@linkcode WorkersKilledError} when workers were killed, or
   * an `AggregateError` of several of these.
   */
  async settled(): Promise<void> {
    await Promise.all(this.#ends.values());
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
   * @param kill Brings the end about when the time is over.
   * @param checkArrivals Tells what has arrived from what ends.
   * @returns What comes of it.
   */
  async within<T>(
    end: Promise<T>,
    kill: () => void,
    checkArrivals?: () => ArrivalCheck,
  ): Promise<T> {
    using _timer = new GiveUpTimer(this.#gracePeriod, kill, { checkArrivals });
    return await end;
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
class IdleStack<T> {
  readonly #timeout: number;
  readonly #discard: (item: T) => void;
  /** Those idle for longest first. */
  readonly #items: { readonly item: T; readonly since: number }[] = [];
  #timer: GiveUpTimer | undefined;

  /**
   * Creates an empty stack.
   *
   * @param timeout After how many milliseconds an item is let go.
   * @param discard Lets an item go that was taken out because it is old.
   */
  constructor(timeout: number, discard: (item: T) => void) {
    this.#timeout = timeout;
    this.#discard = discard;
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

  /** Takes an item out, wherever it is. */
  delete(item: T): void {
    const index = this.#items.findIndex((entry) => entry.item === item);
    if (index >= 0) this.#items.splice(index, 1);
  }

  /** Takes all items out. */
  clear(): T[] {
    this.#timer?.clear();
    this.#timer = undefined;
    return this.#items.splice(0).map(({ item }) => item);
  }

  #setTimer(): void {
    const [oldest] = this.#items;
    if (this.#timer !== undefined || oldest === undefined || this.#timeout === Infinity) return;
    const delay = oldest.since + this.#timeout - performance.now();
    // An idle worker keeps the process alive by itself; the timer must not do so when there is none.
    const options = { referenced: false };
    this.#timer = new GiveUpTimer(delay, () => this.#discardOld(), options);
  }

  #discardOld(): void {
    this.#timer = undefined;
    const limit = performance.now() - this.#timeout;
    const young = this.#items.findIndex(({ since }) => since > limit);
    const old = this.#items.splice(0, young < 0 ? this.#items.length : young);
    for (const { item } of old) this.#discard(item);
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
   * @param code What it runs.
   */
  add(worker: Worker, code: string): void {
    worker.terminate();
    this.#running.set(worker, code);
  }

  /**
   * Counts a worker until it has stopped.
   *
   * @param worker A worker that was ended.
   * @param code What it runs.
   */
  watch(worker: Worker, code: string): void {
    this.#running.set(worker, code);
    this.#watched.add(worker);
    void worker.stopped(this.#watch.signal).then((stopped) => {
      if (stopped) this.#running.delete(worker);
      this.#watched.delete(worker);
    });
  }

  /**
   * Waits a little for all to stop.
   *
   * @returns The workers that have not, and what they run.
   */
  async settled(): Promise<ReadonlyMap<Worker, string>> {
    using _timer = new GiveUpTimer(STOP_TIME, () => this.#watch.abort());
    const stops = [...this.#running.keys()].map(async (worker) => {
      if (await worker.stopped(this.#watch.signal)) this.#running.delete(worker);
    });
    await Promise.all(stops);
    // Whoever else watches must not keep the program alive.
    this.#watch.abort();
    return this.#running;
  }
}
