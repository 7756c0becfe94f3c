import { WorkersKilledError } from "../errors.ts";
import type { Worker } from "../worker/worker.ts";

/** The longest delay that a timer takes. */
const MAX_DELAY = 2 ** 31 - 1;

/** Workers that are ending while nobody waits for them; what goes wrong is told at the end. */
export class DispatchEndings {
  readonly #gracePeriod: number;
  readonly #endings = new Map<Worker, Promise<void>>();
  readonly #failures: unknown[] = [];
  /** The names of those that did not end in time. */
  readonly #killed: string[] = [];

  /**
   * Creates an empty list.
   *
   * @param gracePeriod After how many milliseconds a worker is killed that has not ended.
   */
  constructor(gracePeriod: number = Infinity) {
    this.#gracePeriod = gracePeriod;
  }

  /**
   * Lets a worker end.
   *
   * @param worker The worker.
   */
  add(worker: Worker): void {
    const ending = this.#end(worker).catch((error) => {
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
   * @throws What a worker's close threw, {@linkcode WorkersKilledError} when workers were killed, or
   * an `AggregateError` of several of these.
   */
  async settled(): Promise<void> {
    await Promise.all(this.#endings.values());
    const failures = [...this.#failures];
    const killed = this.#killed.length;
    if (killed > 0) {
      const names = this.#killed.map((name) => `"${name}"`).join(", ");
      failures.push(
        new WorkersKilledError(
          `Cannot end ${killed} worker${killed === 1 ? "" : "s"} in ${this.#gracePeriod} ms: ` +
            `killed ${names}; raise \`gracePeriod\` if they need longer`,
          killed,
        ),
      );
    }
    if (failures.length > 1) {
      throw new AggregateError(failures, "Cannot end all workers as they should: see errors");
    }
    for (const failure of failures) throw failure;
  }

  async #end(worker: Worker): Promise<void> {
    const closing = worker.close();
    if (this.#gracePeriod === Infinity) return await closing;
    const timer = setTimeout(() => {
      this.#killed.push(worker.name);
      worker.terminate();
    }, Math.min(this.#gracePeriod, MAX_DELAY));
    try {
      await closing;
    } finally {
      clearTimeout(timer);
    }
  }
}
