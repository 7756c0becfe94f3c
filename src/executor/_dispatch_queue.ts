/** What can wait in a {@linkcode DispatchQueue}: it keeps its own place, as another object would cost. */
export interface Queueable<T> {
  /** The neighbour nearer to the front. */
  before: T | undefined;
  /** The neighbour nearer to the back. */
  after: T | undefined;
  /** Whether it waits. */
  queued: boolean;
}

/** A queue in which every operation costs the same however many wait, leaving early included. */
export class DispatchQueue<T extends Queueable<T>> {
  #front: T | undefined;
  #back: T | undefined;
  #size = 0;

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  /** What is at the front, if anything waits. */
  get front(): T | undefined {
    return this.#front;
  }

  /**
   * Adds at the back.
   *
   * @param item What waits, in this queue only.
   */
  push(item: T): void {
    item.before = this.#back;
    item.queued = true;
    if (this.#back === undefined) this.#front = item;
    else this.#back.after = item;
    this.#back = item;
    this.#size++;
  }

  /**
   * Adds at the front.
   *
   * @param item What waits, in this queue only.
   */
  unshift(item: T): void {
    item.after = this.#front;
    item.queued = true;
    if (this.#front === undefined) this.#back = item;
    else this.#front.before = item;
    this.#front = item;
    this.#size++;
  }

  /**
   * Takes from the front.
   *
   * @returns What waited longest, or `undefined` when nothing waits.
   */
  shift(): T | undefined {
    const item = this.#front;
    if (item !== undefined) this.delete(item);
    return item;
  }

  /**
   * Takes an item out, wherever it is.
   *
   * @param item What may wait in this queue.
   * @returns Whether it still waited.
   */
  delete(item: T): boolean {
    if (!item.queued) return false;
    const { before, after } = item;
    if (before === undefined) this.#front = after;
    else before.after = after;
    if (after === undefined) this.#back = before;
    else after.before = before;
    // What has left holds on to nobody.
    item.before = undefined;
    item.after = undefined;
    item.queued = false;
    this.#size--;
    return true;
  }
}
