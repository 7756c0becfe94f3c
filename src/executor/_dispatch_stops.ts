import type { Worker } from "../worker/worker.ts";

/** How long a worker that was ended gets to stop before it counts as stuck, in milliseconds. */
const STOP_TIME = 500;

/** Workers that were ended while they ran a call: a busy web worker goes on until its code returns. */
export class DispatchStops {
  readonly #running = new Map<Worker, string>();
  /** Those that are watched until they stop. */
  readonly #watched = new Set<Worker>();
  readonly #watch = new AbortController();

  /** How many are watched and have not stopped. */
  get watched(): number {
    return this.#watched.size;
  }

  /**
   * Ends a worker now.
   *
   * @param worker The worker.
   * @param task The name of the task that it runs.
   */
  add(worker: Worker, task: string): void {
    worker.terminate();
    this.#running.set(worker, task);
  }

  /**
   * Counts a worker until it has stopped.
   *
   * @param worker A worker that was added.
   */
  watch(worker: Worker): void {
    this.#watched.add(worker);
    void worker.stopped(this.#watch.signal).then((stopped) => {
      if (stopped) this.#running.delete(worker);
      this.#watched.delete(worker);
    });
  }

  /**
   * Waits a little for all to stop.
   *
   * @returns The workers that have not, and the names of their tasks.
   */
  async settled(): Promise<ReadonlyMap<Worker, string>> {
    const timer = setTimeout(() => this.#watch.abort(), STOP_TIME);
    const stops = [...this.#running.keys()].map(async (worker) => {
      if (await worker.stopped(this.#watch.signal)) this.#running.delete(worker);
    });
    await Promise.all(stops);
    clearTimeout(timer);
    // Whoever else watches must not keep the program alive.
    this.#watch.abort();
    return this.#running;
  }
}
