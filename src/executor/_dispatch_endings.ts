import type { Worker } from "../worker/worker.ts";

/** Workers that are ending while nobody waits for them; what goes wrong is told at the end. */
export class DispatchEndings {
  readonly #endings = new Map<Worker, Promise<void>>();
  readonly #failures: unknown[] = [];

  /**
   * Lets a worker end.
   *
   * @param worker The worker.
   */
  add(worker: Worker): void {
    const ending = worker.close().catch((error) => {
      // Whoever closes the dispatcher is told.
      this.#failures.push(error);
    }).finally(() => this.#endings.delete(worker));
    this.#endings.set(worker, ending);
  }

  /** Ends those now that have not ended yet. */
  terminate(): void {
    for (const worker of this.#endings.keys()) worker.terminate();
  }

  /**
   * Waits until all have ended.
   *
   * @throws What a worker's close threw, or an `AggregateError` when several did.
   */
  async settled(): Promise<void> {
    await Promise.all(this.#endings.values());
    if (this.#failures.length > 1) {
      throw new AggregateError(this.#failures, "Cannot end all workers as they should: see errors");
    }
    for (const failure of this.#failures) throw failure;
  }
}
