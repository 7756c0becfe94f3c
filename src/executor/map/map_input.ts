/** The input of a map, of which no more is taken than is asked for. */
export interface MapInput<T> {
  /** Whether there is nothing more to come. */
  readonly ended: boolean;
  /** What ended it early. */
  readonly failure: { readonly error: unknown } | undefined;
  /**
   * Takes what is there.
   *
   * @param count How many items at most.
   * @returns The items; none when the next is still to come.
   */
  take(count: number): T[];
  /** Lets the input clean up when not all of it was taken. */
  close(): Promise<void>;
}

/**
 * Opens the input of a map.
 *
 * @typeParam T An item.
 * @typeParam I What is made of it.
 * @param freeze Makes something of each item in the turn in which it comes: the next one may be the
 * same object.
 * @param arrived Called when there may be more to take than before.
 */
export function openMapInput<T, I>(
  items: Iterable<T> | AsyncIterable<T>,
  freeze: (item: T) => I,
  arrived: () => void,
): MapInput<I> {
  // A text is an iterable of characters, and the operator `in` is not for texts.
  const asynchronous = Symbol.asyncIterator in Object(items);
  if (!asynchronous) return new SyncInput((items as Iterable<T>)[Symbol.iterator](), freeze);
  return new AsyncInput((items as AsyncIterable<T>)[Symbol.asyncIterator](), freeze, arrived);
}

class SyncInput<T, I> implements MapInput<I> {
  readonly #iterator: Iterator<T>;
  readonly #freeze: (item: T) => I;
  ended = false;
  failure: { readonly error: unknown } | undefined;

  constructor(iterator: Iterator<T>, freeze: (item: T) => I) {
    this.#iterator = iterator;
    this.#freeze = freeze;
  }

  take(count: number): I[] {
    const items: I[] = [];
    try {
      while (items.length < count && !this.ended) {
        const step = this.#iterator.next();
        if (step.done) this.ended = true;
        else items.push(this.#take(step.value));
      }
    } catch (error) {
      this.ended = true;
      this.failure = { error };
    }
    return items;
  }

  /** An item that is none ends the input, which may clean up. */
  #take(item: T): I {
    try {
      return this.#freeze(item);
    } catch (error) {
      this.#iterator.return?.();
      throw error;
    }
  }

  close(): Promise<void> {
    if (!this.ended) this.#iterator.return?.();
    this.ended = true;
    return Promise.resolve();
  }
}

/** Asks for one item at a time, until as many are there as are wanted. */
class AsyncInput<T, I> implements MapInput<I> {
  readonly #iterator: AsyncIterator<T>;
  readonly #freeze: (item: T) => I;
  readonly #arrived: () => void;
  readonly #items: I[] = [];
  #wanted = 0;
  #source: "resting" | "asked" | "ended" = "resting";
  /** Runs while fewer items than are wanted wait for the others. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  failure: { readonly error: unknown } | undefined;

  constructor(iterator: AsyncIterator<T>, freeze: (item: T) => I, arrived: () => void) {
    this.#iterator = iterator;
    this.#freeze = freeze;
    this.#arrived = arrived;
  }

  get ended(): boolean {
    return this.#source === "ended" && this.#items.length === 0;
  }

  take(count: number): I[] {
    if (this.#timer !== undefined && this.#items.length < count) return [];
    const items = this.#items.splice(0, count);
    this.#wanted = count - items.length;
    if (this.#source === "resting" && this.#wanted > 0) void this.#ask();
    return items;
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    const before = this.#source;
    this.#source = "ended";
    if (before === "ended") return;
    const closing = Promise.resolve(this.#iterator.return?.());
    // An input that is still asked for an item closes after that, which may take for ever.
    if (before === "resting") await closing;
    else closing.catch(() => {});
  }

  async #ask(): Promise<void> {
    this.#source = "asked";
    while (this.#source === "asked" && this.#items.length < this.#wanted) {
      const step = await this.#next();
      if (step.done) this.#source = "ended";
      else await this.#add(step.value);
      // Chunks are to be filled, but not by making those wait that are there.
      if (this.#items.length < this.#wanted) this.#timer ??= setTimeout(() => this.#tell());
    }
    if (this.#source === "asked") this.#source = "resting";
    this.#tell();
  }

  /** An item that is none ends the input, which may clean up. */
  async #add(item: T): Promise<void> {
    try {
      this.#items.push(this.#freeze(item));
    } catch (error) {
      this.failure = { error };
      this.#source = "ended";
      await this.#iterator.return?.();
    }
  }

  async #next(): Promise<IteratorResult<T>> {
    try {
      return await this.#iterator.next();
    } catch (error) {
      this.failure = { error };
      return { done: true, value: undefined };
    }
  }

  #tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#arrived();
  }
}
