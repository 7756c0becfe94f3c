import type { DispatchedCall } from "./call.ts";
import type { WorkerPool } from "./worker_pool.ts";

/** After how many milliseconds a worker gives back the items that it has not begun. */
export const SLICE = 100;
/** One that has not by then cannot: its code never awaits. */
const LATE = 1.5 * SLICE;
/** How often it is looked what workers have, and how long they may have it undisturbed. */
const INTERVAL = 20;

/** What items are taken back with. */
export interface ItemSharingOptions {
  /** The workers. */
  readonly pool: WorkerPool<DispatchedCall>;
  /** Whether there is a worker for which nothing is left. */
  readonly starves: () => boolean;
  /** Takes back what a worker has not begun of a call's items. */
  readonly takeBack: (call: DispatchedCall) => void;
  /** Told when items may have been taken back. */
  readonly looked: () => void;
}

/**
 * Decides when items that a worker has not begun are taken back: for a worker that has none, for a call
 * of a higher priority, and when their time is over. The timer runs only while a worker has some.
 */
export class ItemSharing {
  readonly #options: ItemSharingOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Creates what has taken nothing yet.
   *
   * @param options What items are taken back with.
   */
  constructor(options: ItemSharingOptions) {
    this.#options = options;
  }

  /** A worker has items. */
  watch(): void {
    if (this.#timer !== undefined) return;
    const timer = setTimeout(() => this.#look(), INTERVAL);
    Deno.unrefTimer(timer);
    this.#timer = timer;
  }

  /** Takes nothing back any more, until workers have items again. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /**
   * A call waits that may matter more than items.
   *
   * @param call The call.
   */
  overtake(call: DispatchedCall): void {
    // There are no items.
    if (this.#timer === undefined) return;
    for (const head of this.#heads()) {
      // The first worker whose item ends is the one that takes it.
      if (head.priority < call.priority) this.#options.takeBack(head);
    }
  }

  #look(): void {
    this.#timer = undefined;
    const now = performance.now();
    let most: DispatchedCall | undefined;
    for (const head of this.#heads()) {
      this.watch();
      const age = now - head.headSince;
      if (head.items?.sliced === true && age >= LATE) this.#options.takeBack(head);
      else if (age >= INTERVAL && (most === undefined || head.size > most.size)) most = head;
    }
    if (most !== undefined && this.#options.starves()) this.#options.takeBack(most);
    this.#options.looked();
  }

  /** The calls that workers are about and that may have items which have not begun. */
  *#heads(): Iterable<DispatchedCall> {
    for (const { calls: [head] } of this.#options.pool.workers) {
      if (head !== undefined && !head.taken && head.items !== undefined && head.size > 1) {
        yield head;
      }
    }
  }
}
