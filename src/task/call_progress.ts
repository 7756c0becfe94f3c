import type { ProgressReport } from "../worker/worker.ts";

/**
 * How far a call is, as its task says by `report()`.
 *
 * @example Follow a call
 * ```ts
 * import { report, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const climb = task(import.meta, async () => {
 *   for (const fraction of [0.5, 1]) {
 *     report(fraction);
 *     await new Promise((resolve) => setTimeout(resolve));
 *   }
 * }, { name: "climb" });
 *
 * const fractions = [];
 * for await (const { fraction } of climb().progress) fractions.push(fraction);
 * assertEquals(fractions, [0.5, 1]);
 * ```
 */
export class CallProgress implements AsyncIterable<ProgressReport> {
  #latest: ProgressReport = {};
  #count = 0;
  #ended = false;
  #changed: PromiseWithResolvers<void> | undefined;

  /** The latest fraction and the latest message; what was never reported is absent. */
  get latest(): ProgressReport {
    return this.#latest;
  }

  /**
   * Takes a report.
   *
   * @param progress The report; what it leaves out stays as it was.
   * @internal
   */
  update(progress: ProgressReport): void {
    this.#latest = { ...this.#latest, ...progress };
    this.#count++;
    this.#announce();
  }

  /**
   * The call has ended.
   *
   * @internal
   */
  end(): void {
    this.#ended = true;
    this.#announce();
  }

  /**
   * Gives each change from the first on, and ends with the call, however that ends; who is slow gets
   * the latest and misses what was between.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<ProgressReport, void, void> {
    for (let seen = 0;;) {
      if (seen !== this.#count) {
        seen = this.#count;
        yield this.#latest;
      } else if (this.#ended) return;
      else await (this.#changed ??= Promise.withResolvers()).promise;
    }
  }

  #announce(): void {
    this.#changed?.resolve();
    this.#changed = undefined;
  }
}
