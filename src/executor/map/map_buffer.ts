import { DispatchQueue, type Queueable } from "../dispatch/queue.ts";

/** Results that a map gives one after another, and what ends it after them. */
export interface MapBatch<R> {
  /** The results. */
  readonly values: readonly R[];
  /** What the call after them threw. */
  readonly failure?: { readonly error: unknown };
}

/** Calls of a map that are under way together. */
export interface MapCalls<R> {
  /** How many. */
  readonly size: number;
  /** How they ended; never rejects. */
  readonly batch: Promise<MapBatch<R>>;
  /** Gives up what has not started. */
  cancel(): void;
}

interface Entry<R> extends Queueable<Entry<R>> {
  readonly calls: MapCalls<R>;
  batch: MapBatch<R> | undefined;
}

/** The calls of a map that are under way, and the results that were not given yet. */
export class MapBuffer<R> {
  readonly #ordered: boolean;
  readonly #changed: () => void;
  /** In the order in which results are given. */
  readonly #entries = new DispatchQueue<Entry<R>>();
  readonly #unended = new Set<MapCalls<R>>();
  #size = 0;

  /**
   * Creates an empty buffer.
   *
   * @param ordered Whether results are given in the order of the items.
   * @param changed Called when there may be a result to take.
   */
  constructor(ordered: boolean, changed: () => void) {
    this.#ordered = ordered;
    this.#changed = changed;
  }

  /** How many items were taken from the input, and their results not given yet. */
  get size(): number {
    return this.#size;
  }

  /**
   * Adds calls.
   *
   * @param calls Calls that were just made.
   */
  add(calls: MapCalls<R>): void {
    const entry: Entry<R> = {
      calls,
      batch: undefined,
      before: undefined,
      after: undefined,
      queued: false,
    };
    this.#size += calls.size;
    this.#unended.add(calls);
    if (this.#ordered) this.#entries.push(entry);
    void calls.batch.then((batch) => {
      entry.batch = batch;
      this.#unended.delete(calls);
      if (!this.#ordered) this.#entries.push(entry);
      this.#changed();
    });
  }

  /** Takes the results that are next, if they are there: those of a chunk, or of calls in a row. */
  take(): MapBatch<R> | undefined {
    const first = this.#next();
    if (first === undefined || first.failure !== undefined || first.values.length > 1) return first;
    const values = [...first.values];
    for (let batch = this.#next(1); batch !== undefined; batch = this.#next(1)) {
      values.push(...batch.values);
      if (batch.failure !== undefined) return { values, failure: batch.failure };
    }
    return { values };
  }

  /** Gives up what has not started. */
  cancel(): void {
    for (const calls of this.#unended) calls.cancel();
  }

  #next(size = Infinity): MapBatch<R> | undefined {
    const entry = this.#entries.front;
    if (entry?.batch === undefined || entry.calls.size > size) return undefined;
    this.#entries.shift();
    this.#size -= entry.calls.size;
    return entry.batch;
  }
}
