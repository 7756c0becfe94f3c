import { DispatchQueue, type Queueable } from "../dispatch/queue.ts";

/** Results that a map gives one after another, and what ends it after them. */
export interface MapBatch<R> {
  /** The results: an array, or numbers in a buffer. */
  readonly values: Iterable<R> & ArrayLike<R>;
  /** What the call after them threw. */
  readonly failure?: { readonly error: unknown };
}

/** Calls of a map that are under way together. */
export interface MapCalls {
  /** How many. */
  readonly size: number;
  /** Gives up what has not started. */
  cancel(): void;
}

/**
 * Takes results of calls that are under way together.
 *
 * @typeParam R A result.
 * @param begin Which of the calls is the first.
 * @param batch How that one and those after it have ended.
 */
export type DeliverResults<R> = (begin: number, batch: MapBatch<R>) => void;

interface Entry<R> extends Queueable<Entry<R>> {
  readonly calls: MapCalls;
  /** What has ended and was not given, by the first of the calls. */
  readonly batches: Map<number, MapBatch<R>>;
  /** The first of the calls whose result was not given. */
  next: number;
  ended: number;
}

interface UnorderedBatch<R> extends Queueable<UnorderedBatch<R>> {
  readonly batch: MapBatch<R>;
}

/** The calls of a map that are under way, and the results that were not given yet. */
export class MapBuffer<R> {
  readonly #ordered: boolean;
  readonly #changed: () => void;
  /** In the order in which results are given, when that is the order of the items. */
  readonly #entries = new DispatchQueue<Entry<R>>();
  /** The same when results are given as they come. */
  readonly #batches = new DispatchQueue<UnorderedBatch<R>>();
  readonly #unended = new Set<MapCalls>();
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
   * @param make Makes the calls, whose results come later than that.
   */
  add(make: (deliver: DeliverResults<R>) => MapCalls): void {
    const calls = make((begin, batch) => this.#deliver(entry, begin, batch));
    const entry: Entry<R> = {
      calls,
      batches: new Map(),
      next: 0,
      ended: 0,
      before: undefined,
      after: undefined,
      queued: false,
    };
    this.#size += calls.size;
    this.#unended.add(calls);
    if (this.#ordered) this.#entries.push(entry);
  }

  /** Takes the results that are next, if they are there. */
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

  #deliver(entry: Entry<R>, begin: number, batch: MapBatch<R>): void {
    entry.ended += batch.values.length;
    // After a failure nothing is given any more, and what has not started is still to be given up.
    if (entry.ended === entry.calls.size) this.#unended.delete(entry.calls);
    if (this.#ordered) entry.batches.set(begin, batch);
    else this.#batches.push({ batch, before: undefined, after: undefined, queued: false });
    this.#changed();
  }

  #next(size = Infinity): MapBatch<R> | undefined {
    const batch = this.#ordered ? this.#nextInOrder(size) : this.#nextToCome(size);
    if (batch !== undefined) this.#size -= batch.values.length;
    return batch;
  }

  #nextToCome(size: number): MapBatch<R> | undefined {
    const first = this.#batches.front;
    if (first === undefined || first.batch.values.length > size) return undefined;
    this.#batches.shift();
    return first.batch;
  }

  #nextInOrder(size: number): MapBatch<R> | undefined {
    const entry = this.#entries.front;
    const batch = entry?.batches.get(entry.next);
    if (entry === undefined || batch === undefined || batch.values.length > size) return undefined;
    entry.batches.delete(entry.next);
    entry.next += batch.values.length;
    if (entry.next === entry.calls.size) this.#entries.shift();
    return batch;
  }
}
