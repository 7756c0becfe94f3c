import type { DispatchedCall } from "./call.ts";
import type { PoolWorker, WorkerPool } from "./worker_pool.ts";

/** Calls shorter than this, in milliseconds, cost less than sending them one by one. */
const SHORT_CALL = 0.5;
/** How much the newest call counts in the average. */
const WEIGHT = 1 / 8;

/** How many calls are to be sent to which worker at once. */
interface SendPlan {
  /** The worker. */
  readonly worker: PoolWorker<DispatchedCall>;
  /** How many calls. */
  readonly count: number;
}

/**
 * Decides how many calls busy workers are sent ahead, by how long calls have lately taken, and takes
 * those back that are better run elsewhere or later.
 */
export class Prefetch {
  readonly #pool: WorkerPool<DispatchedCall>;
  readonly #depth: number;
  /** How long calls take, in milliseconds. */
  #average: number | undefined;
  #returning = 0;
  /** Of all calls so far: only one of a higher priority can have to overtake another. */
  #lowestPriority = Infinity;

  /**
   * Creates what has sent nothing ahead.
   *
   * @param depth How many calls a worker gets when they are short.
   */
  constructor(pool: WorkerPool<DispatchedCall>, depth: number) {
    this.#pool = pool;
    this.#depth = depth;
  }

  /** How many calls were taken back and are about to be in the queue again, where they have their order. */
  get returning(): number {
    return this.#returning;
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

  /**
   * Decides which busy worker is sent more calls: the one with the fewest. Workers are filled again
   * when they are half empty, so that calls travel in batches, and each gets its equal share.
   *
   * @param queued How many calls wait; there is no idle worker.
   * @param most How many calls a worker is to have at most.
   * @returns What to send, or `undefined` when the calls are better kept.
   */
  plan(queued: number, most: number): SendPlan | undefined {
    const isShort = this.#average !== undefined && this.#average < SHORT_CALL;
    const depth = isShort ? Math.min(this.#depth, most) : 1;
    const spare = queued - this.#pool.starting;
    // Who is one too many ends as soon as it has nothing to do.
    if (depth === 1 || spare <= 0 || this.#pool.hasSurplus) return undefined;
    const worker = this.#pool.leastBusy();
    if (worker === undefined || worker.calls.length > depth / 2) return undefined;
    let total = spare;
    for (const { calls } of this.#pool.workers) total += calls.length;
    const share = Math.ceil(total / this.#pool.workers.size);
    const target = Math.min(depth, Math.max(share, worker.calls.length + 1));
    return { worker, count: Math.min(target - worker.calls.length, spare, worker.room) };
  }

  /**
   * What was sent ahead and matters less comes back when a call has to wait for it.
   *
   * @param call A call that was just queued, and may be at a worker by now.
   */
  overtake(call: DispatchedCall): void {
    if (call.priority <= this.#lowestPriority) {
      this.#lowestPriority = call.priority;
      return;
    }
    // None may get more when all have had as many as they may in their life.
    const least = this.#pool.leastBusy() ?? this.#pool.mostBusy();
    if (least === undefined || least.revoking > 0 || call.at !== "queue") return;
    for (;;) {
      const newest = least.calls.at(-1 - least.revoking);
      if (newest === undefined || newest.priority >= call.priority) return;
      if (!this.#revoke(least)) return;
    }
  }

  /** While a worker is idle, takes back from the busiest half of what it was sent. */
  share(): void {
    if (this.#pool.idle === 0) return;
    const most = this.#pool.mostBusy();
    if (most === undefined || most.revoking > 0) return;
    for (let count = Math.floor(most.calls.length / 2); count > 0; count--) {
      if (!this.#revoke(most)) return;
    }
  }

  /** Takes all back that has not started. */
  revokeAll(worker: PoolWorker<DispatchedCall>): void {
    while (this.#revoke(worker));
  }

  /** A call is back that its worker has not run. */
  returned(worker: PoolWorker<DispatchedCall>, { sentItems }: DispatchedCall): void {
    worker.sent -= sentItems;
    // One that was not asked takes no calls any more.
    if (worker.revoking === 0) return this.#pool.leave(worker);
    worker.revoking--;
    this.#returning--;
  }

  #revoke(worker: PoolWorker<DispatchedCall>): boolean {
    const revoked = worker.handle.revoke();
    if (revoked) {
      worker.revoking++;
      this.#returning++;
    }
    return revoked;
  }
}
