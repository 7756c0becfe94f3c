/** A call in the queue, with the rank that it had when it was put there. */
interface Queued<T> {
  readonly call: T;
  readonly rank: number;
}

/**
 * Calls, of which the one of the lowest rank is known: a binary heap. Ranks may rise, and calls may be
 * forgotten: both are seen when a call comes first.
 *
 * @typeParam T What is known of a call.
 */
export class CallQueue<T> {
  readonly #isThere: (call: T) => boolean;
  readonly #rankOf: (call: T) => number;
  #heap: Queued<T>[] = [];

  /**
   * Creates an empty queue.
   *
   * @param isThere Tells whether a call is remembered as it was added.
   * @param rankOf Tells the rank of a call; it never falls.
   */
  constructor(isThere: (call: T) => boolean, rankOf: (call: T) => number) {
    this.#isThere = isThere;
    this.#rankOf = rankOf;
  }

  /** How many calls are in it, those included that were forgotten since. */
  get size(): number {
    return this.#heap.length;
  }

  /** Adds a call. */
  add(call: T): void {
    this.#push({ call, rank: this.#rankOf(call) });
  }

  #push(queued: Queued<T>): void {
    const heap = this.#heap;
    let at = heap.push(queued) - 1;
    for (let above = (at - 1) >> 1; at > 0; above = (at - 1) >> 1) {
      const parent = heap[above];
      if (parent === undefined || parent.rank <= queued.rank) return;
      heap[at] = parent;
      heap[above] = queued;
      at = above;
    }
  }

  /** The call of the lowest rank. */
  first(): T | undefined {
    for (let [first] = this.#heap; first !== undefined; [first] = this.#heap) {
      const { call } = first;
      const isThere = this.#isThere(call);
      if (isThere && this.#rankOf(call) <= first.rank) return call;
      this.#removeFirst();
      if (isThere) this.add(call);
    }
    return undefined;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (let below = 1; below < heap.length; below = 2 * at + 1) {
      const [left, right] = [heap[below], heap[below + 1]];
      if (right !== undefined && left !== undefined && right.rank < left.rank) below++;
      const child = heap[below];
      if (child === undefined || child.rank >= last.rank) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
  }

  /** All calls, those of the lowest rank first; those that were forgotten are let go of. */
  sorted(): T[] {
    // What is sorted is a heap.
    this.#heap = this.#heap.filter(({ call }) => this.#isThere(call))
      .map(({ call }) => ({ call, rank: this.#rankOf(call) }))
      .sort((a, b) => a.rank - b.rank);
    return this.#heap.map(({ call }) => call);
  }

  /** Forgets all calls. */
  clear(): void {
    this.#heap = [];
  }
}
