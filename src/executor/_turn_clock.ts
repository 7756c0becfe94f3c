/**
 * A clock that is read once for all that happens in one turn of the event loop: to read it takes as long
 * as a good part of a short call.
 */
export class TurnClock {
  #now: number | undefined;
  readonly #forget = (): void => {
    this.#now = undefined;
  };

  /** The time at which this turn, or this part of it, began; in milliseconds. */
  get now(): number {
    if (this.#now !== undefined) return this.#now;
    queueMicrotask(this.#forget);
    return this.#now = performance.now();
  }
}
