/** Calls shorter than this, in milliseconds, cost less than sending them one by one. */
const SHORT_CALL = 0.5;
/** How much the newest call counts in the average. */
const WEIGHT = 1 / 8;

/** Decides how many calls are sent to a worker at once, by how long calls have lately taken. */
export class DispatchPace {
  readonly #prefetch: number;
  #average: number | undefined;

  /**
   * Creates the pace of a dispatcher.
   *
   * @param prefetch How many calls a worker gets when they are short.
   */
  constructor(prefetch: number) {
    this.#prefetch = prefetch;
  }

  /** How many calls a worker may have; 1 as long as nothing is known. */
  get depth(): number {
    return this.#average !== undefined && this.#average < SHORT_CALL ? this.#prefetch : 1;
  }

  /**
   * Learns from a call.
   *
   * @param duration How long it took, in milliseconds.
   */
  note(duration: number): void {
    this.#average = this.#average === undefined
      ? duration
      : this.#average + WEIGHT * (duration - this.#average);
  }
}
