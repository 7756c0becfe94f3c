/** What is told of a cancellation: a function, or an object where a closure for each would cost. */
export type CancelListener = (() => void) | { handleEvent(): void };

/**
 * What a wait needs of an `AbortSignal`. A real one will do; one costs more to make than a short call
 * to run, so that futures have a lighter one until somebody asks for the real one.
 */
export interface CancelSignal {
  /** Whether the wait is to end. */
  readonly aborted: boolean;
  /** Why. */
  readonly reason: unknown;
  /** Tells a listener when the wait is to end. */
  addEventListener(type: "abort", listener: CancelListener): void;
  /** Tells it no more. */
  removeEventListener(type: "abort", listener: CancelListener): void;
}

/** A cancel signal and what aborts it. */
export class CancelSource implements CancelSignal {
  /** Nearly every wait has one listener or none: the set is made for the second. */
  #first: CancelListener | undefined;
  #others: Set<CancelListener> | undefined;
  #aborted: { readonly reason: unknown } | undefined;

  /** Whether the wait is to end. */
  get aborted(): boolean {
    return this.#aborted !== undefined;
  }

  /** Why. */
  get reason(): unknown {
    return this.#aborted?.reason;
  }

  /**
   * Ends the waits; a second call does nothing.
   *
   * @param reason Why.
   */
  abort(reason: unknown): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = { reason };
    const listeners = [this.#first, ...this.#others ?? []];
    this.#first = undefined;
    this.#others = undefined;
    for (const listener of listeners) {
      if (typeof listener === "function") listener();
      else listener?.handleEvent();
    }
  }

  /** Tells a listener when the wait is to end. */
  addEventListener(_type: "abort", listener: CancelListener): void {
    if (this.#first === undefined) this.#first = listener;
    else if (this.#first !== listener) (this.#others ??= new Set()).add(listener);
  }

  /** Tells it no more. */
  removeEventListener(_type: "abort", listener: CancelListener): void {
    if (this.#first === listener) this.#first = undefined;
    else this.#others?.delete(listener);
  }
}
