import type { Future } from "../task/future.ts";
import type { ProgressObserver } from "./progress_bar.ts";

/** Tells the observer of a map what the calls that run say of themselves. */
export class RunningProgress {
  readonly #observer: ProgressObserver;
  /** How far the calls are that run and have said so. */
  readonly #fractions = new Map<Future<unknown>, number>();

  /**
   * Creates the progress of one map.
   *
   * @param observer Who is told.
   */
  constructor(observer: ProgressObserver) {
    this.#observer = observer;
  }

  /**
   * Follows a call to its end. To be asked before the observer is to be told of that end, so that no
   * call counts twice.
   *
   * @param future The call.
   */
  follow(future: Future<unknown>): void {
    if (this.#observer.report === undefined) return;
    future.onDone(() => {
      if (this.#fractions.delete(future)) this.#announce();
    });
    void this.#listen(future);
  }

  async #listen(future: Future<unknown>): Promise<void> {
    for await (const { fraction } of future.progress) {
      const ended = future.state === "done" || future.state === "cancelled";
      if (fraction === undefined || ended) continue;
      this.#fractions.set(future, fraction);
      this.#announce();
    }
  }

  #announce(): void {
    let sum = 0;
    for (const fraction of this.#fractions.values()) sum += fraction;
    this.#observer.report?.(sum);
  }
}
