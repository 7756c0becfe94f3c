/** The longest delay that a timer takes. */
const MAX_DELAY = 2 ** 31 - 1;

/**
 * What has nothing to do: a stack, so that what was used last, and is warm, is used next, while the
 * others grow old at the bottom and are let go.
 */
export class DispatchIdle<T> {
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
