/** Who waits for the answer to a call. */
export interface AnswerTaker {
  /** The call has a value. */
  succeed(value: unknown): void;
  /** It has none. */
  fail(reason: unknown): void;
}

/**
 * The answer to a call, on its way to the one who waits for it. A promise for each step of the way
 * would make a call that waits in a queue half as large again, and what waits is copied whenever
 * garbage is collected.
 */
export class CallAnswer {
  /** Who waits; before that, what tells it how the call has ended. */
  #next: AnswerTaker | ((taker: AnswerTaker) => void) | undefined;

  /**
   * Hands the answer over, now or when it comes.
   *
   * @param taker Who waits for it; there is nobody else.
   */
  give(taker: AnswerTaker): void {
    if (typeof this.#next === "function") this.#next(taker);
    else this.#next = taker;
  }

  /**
   * Makes a promise of it, for those who chain calls by promises; this makes it a thenable.
   *
   * @param onFulfilled Told the value.
   * @param onRejected Told why there is none.
   */
  then(onFulfilled: (value: unknown) => void, onRejected: (reason: unknown) => void): void {
    this.give({ succeed: onFulfilled, fail: onRejected });
  }

  /**
   * The call has a value.
   *
   * @param value The value.
   */
  protected succeed(value: unknown): void {
    if (typeof this.#next === "object") this.#next.succeed(value);
    else this.#next = (taker) => taker.succeed(value);
  }

  /**
   * The call has none.
   *
   * @param reason Why.
   */
  protected fail(reason: unknown): void {
    if (typeof this.#next === "object") this.#next.fail(reason);
    else this.#next = (taker) => taker.fail(reason);
  }
}
