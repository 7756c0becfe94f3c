import type { Future } from "../task/future.ts";
import type { ProgressObserver } from "./progress_bar.ts";

/** Tells an observer of the calls of a map, and of what those that run say of themselves. */
export class MapProgress {
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
   * Follows a call to its end.
   *
   * @param future The call.
   */
  follow(future: Future<unknown>): void {
    future.onDone(() => {
      // Before it counts as one that has settled, so that it never counts twice.
      if (this.#fractions.delete(future)) this.#announce();
      this.#observer.update(future.hit === true);
    });
    if (this.#observer.report !== undefined) void this.#listen(future);
  }

  async #listen(future: Future<unknown>): Promise<void> {
    for await (const { fraction } of future.progress) {
      if (fraction === undefined || (future.state !== "pending" && future.state !== "running")) {
        continue;
      }
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
