import type { LimitedCall } from "./limits.ts";

/**
 * Calls, of which the one that ended first is known: a binary heap. Calls are not taken out of it when
 * they are forgotten, but when they are found to be.
 *
 * @typeParam T What is known of a call.
 */
export class EndQueue<T extends LimitedCall> {
  readonly #isThere: (call: T) => boolean;
  #heap: T[] = [];

  /**
   * Creates an empty queue.
   *
   * @param isThere Tells whether a call is remembered as it was added.
   */
  constructor(isThere: (call: T) => boolean) {
    this.#isThere = isThere;
  }

  /** How many calls are in it, those included that were forgotten since. */
  get size(): number {
    return this.#heap.length;
  }

  /** Adds a call. */
  add(call: T): void {
    const heap = this.#heap;
    let at = heap.push(call) - 1;
    for (let above = (at - 1) >> 1; at > 0; above = (at - 1) >> 1) {
      const parent = heap[above];
      if (parent === undefined || parent.ended <= call.ended) return;
      heap[at] = parent;
      heap[above] = call;
      at = above;
    }
  }

  /** The call that ended first. */
  first(): T | undefined {
    let [first] = this.#heap;
    while (first !== undefined && !this.#isThere(first)) {
      this.#removeFirst();
      [first] = this.#heap;
    }
    return first;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (let below = 1; below < heap.length; below = 2 * at + 1) {
      const [left, right] = [heap[below], heap[below + 1]];
      if (right !== undefined && left !== undefined && right.ended < left.ended) below++;
      const child = heap[below];
      if (child === undefined || child.ended >= last.ended) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
  }

  /** Lets go of the calls that were forgotten. */
  trim(): void {
    // What is sorted is a heap.
    this.#heap = this.#heap.filter(this.#isThere).sort((a, b) => a.ended - b.ended);
  }

  /** Forgets all calls. */
  clear(): void {
    this.#heap = [];
  }
}
