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

/** What can wait in a {@linkcode PriorityQueue}. */
export interface Prioritized<T> extends Queueable<T> {
  /** A higher one goes first. */
  readonly priority: number;
  /**
   * How many it counts as.
   *
   * @default {1}
   */
  readonly size?: number;
}

/** Those of one priority. */
interface Level<T extends Queueable<T>> {
  readonly priority: number;
  readonly queue: DispatchQueue<T>;
}

/**
 * A queue in which a higher priority goes first, and within one priority who came first. Operations
 * cost the same however many wait; only a priority that nothing waits with yet costs a step in a heap
 * of the priorities.
 */
export class PriorityQueue<T extends Prioritized<T>> {
  readonly #byPriority = new Map<number, Level<T>>();
  /** A binary heap, the highest priority at the root. Levels leave it when they are empty there. */
  readonly #heap: Level<T>[] = [];
  #size = 0;
  #items = 0;

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  /** How many those that wait count as. */
  get items(): number {
    return this.#items;
  }

  /** What goes first, if anything waits. */
  get front(): T | undefined {
    return this.#highest()?.queue.front;
  }

  /**
   * Adds behind all of its priority.
   *
   * @param item What waits, in this queue only.
   */
  push(item: T): void {
    this.#size++;
    this.#items += item.size ?? 1;
    this.#levelOf(item.priority).queue.push(item);
  }

  /**
   * Adds before all of its priority.
   *
   * @param item What waits, in this queue only.
   */
  unshift(item: T): void {
    this.#size++;
    this.#items += item.size ?? 1;
    this.#levelOf(item.priority).queue.unshift(item);
  }

  /**
   * Takes what goes first.
   *
   * @returns It, or `undefined` when nothing waits.
   */
  shift(): T | undefined {
    const first = this.#highest();
    const item = first?.queue.shift();
    if (item === undefined) return undefined;
    this.#size--;
    this.#items -= item.size ?? 1;
    return item;
  }

  /**
   * Something that waits counts as less from now on.
   *
   * @param items How much less.
   */
  shrink(items: number): void {
    this.#items -= items;
  }

  /**
   * Takes an item out, wherever it is.
   *
   * @param item What may wait in this queue.
   * @returns Whether it still waited.
   */
  delete(item: T): boolean {
    if (!item.queued) return false;
    this.#size--;
    this.#items -= item.size ?? 1;
    return this.#levelOf(item.priority).queue.delete(item);
  }

  /** The level of those that go first. */
  #highest(): Level<T> | undefined {
    let first = this.#heap[0];
    while (first !== undefined && first.queue.size === 0) {
      // One level that is empty stays: nearly always there is only one.
      if (this.#heap.length === 1) return undefined;
      this.#removeRoot();
      first = this.#heap[0];
    }
    return first;
  }

  #levelOf(priority: number): Level<T> {
    const known = this.#byPriority.get(priority);
    if (known !== undefined) return known;
    const level = { priority, queue: new DispatchQueue<T>() };
    this.#byPriority.set(priority, level);
    this.#rise(level);
    return level;
  }

  #rise(level: Level<T>): void {
    let index = this.#heap.push(level) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = this.#heap[parent];
      if (above === undefined || above.priority >= level.priority) break;
      this.#heap[index] = above;
      index = parent;
    }
    this.#heap[index] = level;
  }

  #removeRoot(): void {
    const [root] = this.#heap;
    const last = this.#heap.pop();
    if (root !== undefined) this.#byPriority.delete(root.priority);
    if (last !== undefined && this.#heap.length > 0) this.#sink(last);
  }

  /** Puts a level where the root was. */
  #sink(level: Level<T>): void {
    let index = 0;
    for (;;) {
      const left = this.#heap[2 * index + 1];
      const right = this.#heap[2 * index + 2];
      const rightIsHigher = right !== undefined && left !== undefined &&
        right.priority > left.priority;
      const higher = rightIsHigher ? right : left;
      if (higher === undefined || higher.priority <= level.priority) break;
      this.#heap[index] = higher;
      index = 2 * index + (rightIsHigher ? 2 : 1);
    }
    this.#heap[index] = level;
  }
}
