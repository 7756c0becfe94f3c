/** A place in a {@linkcode DispatchQueue}. */
export interface QueueEntry<T> {
  /** What waits. */
  readonly value: T;
  /** The neighbour nearer to the front. */
  before: QueueEntry<T> | undefined;
  /** The neighbour nearer to the back. */
  after: QueueEntry<T> | undefined;
  /** Whether the entry still waits. */
  queued: boolean;
}

/** A queue in which every operation costs the same however many wait, leaving early included. */
export class DispatchQueue<T> {
  #front: QueueEntry<T> | undefined;
  #back: QueueEntry<T> | undefined;
  #size = 0;

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  /** What is at the front, if anything waits. */
  get front(): T | undefined {
    return this.#front?.value;
  }

  /**
   * Adds at the back.
   *
   * @param value What waits.
   * @returns Its place.
   */
  push(value: T): QueueEntry<T> {
    const entry: QueueEntry<T> = { value, before: this.#back, after: undefined, queued: true };
    if (this.#back === undefined) this.#front = entry;
    else this.#back.after = entry;
    this.#back = entry;
    this.#size++;
    return entry;
  }

  /**
   * Adds at the front.
   *
   * @param value What waits.
   * @returns Its place.
   */
  unshift(value: T): QueueEntry<T> {
    const entry: QueueEntry<T> = { value, before: undefined, after: this.#front, queued: true };
    if (this.#front === undefined) this.#back = entry;
    else this.#front.before = entry;
    this.#front = entry;
    this.#size++;
    return entry;
  }

  /**
   * Takes from the front.
   *
   * @returns What waited longest, or `undefined` when nothing waits.
   */
  shift(): T | undefined {
    const entry = this.#front;
    if (entry === undefined) return undefined;
    this.delete(entry);
    return entry.value;
  }

  /**
   * Takes an entry out, wherever it is.
   *
   * @param entry The place that `push()` or `unshift()` gave.
   * @returns Whether it still waited.
   */
  delete(entry: QueueEntry<T>): boolean {
    if (!entry.queued) return false;
    entry.queued = false;
    if (entry.before === undefined) this.#front = entry.after;
    else entry.before.after = entry.after;
    if (entry.after === undefined) this.#back = entry.before;
    else entry.after.before = entry.before;
    this.#size--;
    return true;
  }
}
