/**
 * What a wait needs of an `AbortSignal`. A real one will do; one costs more to make than a short call
 * to run, so that futures have a lighter one until somebody asks for the real one.
 */
export interface CancelSignal {
  /** Whether the wait is to end. */
  readonly aborted: boolean;
  /** Why. */
  readonly reason: unknown;
  /** Calls a function when the wait is to end. */
  addEventListener(type: "abort", listener: () => void): void;
  /** Calls it no more. */
  removeEventListener(type: "abort", listener: () => void): void;
}

/** A cancel signal and what aborts it. */
export class CancelSource implements CancelSignal {
  /** Made for the first listener: most waits have none. */
  #listeners: Set<() => void> | undefined;
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
    const listeners = this.#listeners;
    this.#listeners = undefined;
    for (const listener of listeners ?? []) listener();
  }

  /** Calls a function when the wait is to end. */
  addEventListener(_type: "abort", listener: () => void): void {
    (this.#listeners ??= new Set()).add(listener);
  }

  /** Calls it no more. */
  removeEventListener(_type: "abort", listener: () => void): void {
    this.#listeners?.delete(listener);
  }
}
