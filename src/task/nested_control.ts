import { pollWhenRead } from "../worker/polled_signal.ts";
import type { CallControl, ProgressReport } from "../worker/worker.ts";

/** A call whose body was called by another body in the same isolate: it ends with that one. */
export class NestedControl implements CallControl {
  readonly #own: CallControl;
  readonly #outer: CallControl;
  #signal: AbortSignal | undefined;

  /**
   * Joins two controls.
   *
   * @param own Of the call itself.
   * @param outer Of the call around it.
   */
  constructor(own: CallControl, outer: CallControl) {
    this.#own = own;
    this.#outer = outer;
  }

  get aborted(): boolean {
    return this.#own.aborted || this.#outer.aborted;
  }

  get signal(): AbortSignal {
    if (this.#signal === undefined) {
      const { signal: outer } = this.#outer;
      const signal = AbortSignal.any([this.#own.signal, outer]);
      // Reading the outer one is what makes it look; it then aborts this one, too.
      this.#signal = pollWhenRead(signal, () => void outer.aborted);
    }
    return this.#signal;
  }

  report(progress: ProgressReport): void {
    this.#own.report(progress);
  }

  tell(kind: string, data: unknown): boolean {
    return this.#own.tell(kind, data);
  }
}
