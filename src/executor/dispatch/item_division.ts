import { isTransferred } from "../../worker/transfer.ts";
import type { BegunItems } from "../../worker/worker.ts";
import type { CallPart, DispatchedCall } from "./call.ts";
import type { PriorityQueue } from "./queue.ts";
import type { PoolWorker, WorkerPool } from "./worker_pool.ts";

/** What calls are divided with. */
export interface ItemDivisionOptions {
  /** Where calls wait. */
  readonly queue: PriorityQueue<DispatchedCall>;
  /** The workers. */
  readonly pool: WorkerPool<DispatchedCall>;
  /**
   * Makes a call of some of another's items, which is nowhere yet.
   *
   * @param call The other one.
   */
  readonly toPart: (call: DispatchedCall, part: CallPart) => DispatchedCall;
  /** Has a call go before all others. */
  readonly requeue: (call: DispatchedCall) => void;
}

/** Divides calls that have many items: some go to a worker, and what that has not begun goes elsewhere. */
export class ItemDivision {
  readonly #options: ItemDivisionOptions;

  /**
   * Creates what has divided nothing yet.
   *
   * @param options What calls are divided with.
   */
  constructor(options: ItemDivisionOptions) {
    this.#options = options;
  }

  /** Whether what goes first from the queue consists of items that travel together. */
  get travelTogether(): boolean {
    const { items } = this.#options.queue.front ?? {};
    return items !== undefined && items.most(this.#share) > 1;
  }

  /**
   * Takes what goes first from the queue: of many items, what a worker is to get.
   *
   * @param limit How many it takes at most.
   */
  next(limit: number): DispatchedCall | undefined {
    const { queue } = this.#options;
    const { front } = queue;
    const { items } = front ?? {};
    if (front === undefined || items === undefined) return queue.shift();
    const count = Math.min(items.most(this.#share), limit);
    return count >= items.size ? queue.shift() : this.#takeFirst(front, count);
  }

  /**
   * Takes back from a worker what it has not begun of a call's items.
   *
   * @param call The call.
   * @returns The call of those, which waits, if there are any.
   */
  takeBack(call: DispatchedCall): DispatchedCall | undefined {
    const begun = call.taken ? undefined : call.worker?.handle.takeItems(call);
    if (begun === undefined) return undefined;
    call.taken = true;
    return this.giveBack(call, call.items?.takeRest(begun.count));
  }

  /**
   * What a worker has not run of a call's items goes elsewhere.
   *
   * @param rest What that is.
   * @returns The call of those, which waits, if there are any.
   */
  giveBack(call: DispatchedCall, rest: CallPart | undefined): DispatchedCall | undefined {
    const { worker } = call;
    if (worker === undefined || rest === undefined) return undefined;
    const count = rest.observer.items?.size ?? 0;
    const part = this.#options.toPart(call, rest);
    worker.sent -= count;
    call.sentItems -= count;
    this.#options.requeue(part);
    return part;
  }

  /**
   * A call has failed: those of its items go elsewhere that this does not concern.
   *
   * @param begun Which have begun, if a worker was about them.
   */
  spare(call: DispatchedCall, error: unknown, begun: BegunItems | undefined): void {
    const { toPart, requeue } = this.#options;
    const spared = call.items?.takeSpared(error, begun) ?? [];
    for (const part of spared.toReversed()) requeue(toPart(call, part));
  }

  /**
   * Takes a call back that stands behind others at its worker, and that can be sent again.
   *
   * @returns Whether it could be taken back; it is nowhere then.
   */
  recall(worker: PoolWorker<DispatchedCall>, call: DispatchedCall): boolean {
    const behind = call.at === "worker" && worker.calls.indexOf(call) > 0;
    if (!behind || isTransferred(call.request.args)) return false;
    if (worker.handle.cancel(call) !== "withdrawn") return false;
    call.wait();
    worker.sent -= call.sentItems;
    worker.calls.splice(worker.calls.indexOf(call), 1);
    call.clearTimer();
    return true;
  }

  /**
   * Takes one item out of a call, if it has not begun.
   *
   * @param index Which, among those that were called together.
   * @returns A call that waits with nothing but this item.
   */
  isolate(call: DispatchedCall, index: number): DispatchedCall | undefined {
    const waiting = this.#toWaiting(call);
    const { items } = waiting ?? {};
    const before = items?.before(index);
    if (waiting === undefined || items === undefined || before === undefined) return undefined;
    if (before > 0) this.#options.requeue(this.#takeFirst(waiting, before));
    if (items.size === 1) return waiting;
    const alone = this.#takeFirst(waiting, 1);
    this.#options.requeue(alone);
    return alone;
  }

  /** What of a call waits, or is made to. */
  #toWaiting(call: DispatchedCall): DispatchedCall | undefined {
    const { worker } = call;
    if (call.queued) return call;
    if (worker === undefined || !this.recall(worker, call)) return this.takeBack(call);
    this.#options.requeue(call);
    return call;
  }

  #takeFirst(call: DispatchedCall, count: number): DispatchedCall {
    const { items } = call;
    if (items === undefined) return call;
    this.#options.queue.shrink(count);
    return this.#options.toPart(call, items.takeFirst(count));
  }

  /** How many items each worker would get. */
  get #share(): number {
    const { workers, starting } = this.#options.pool;
    return Math.ceil(this.#options.queue.items / Math.max(1, workers.size + starting));
  }
}
