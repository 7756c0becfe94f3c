import { WorkersKilledError } from "../base/errors.ts";
import type { Worker } from "../worker/worker.ts";

/** The longest delay that a timer takes. */
const MAX_DELAY = 2 ** 31 - 1;

/** Options of {@linkcode DispatchEndings}. */
export interface DispatchEndingsOptions {
  /** After how many milliseconds a worker is killed that has not ended. */
  gracePeriod?: number | undefined;
  /** Is told what went wrong; else it is told in the end. */
  endFailed?: ((error: unknown) => void) | undefined;
}

/** Workers that are ending while nobody waits for them; what goes wrong is told at the end. */
export class DispatchEndings {
  readonly #gracePeriod: number;
  readonly #endFailed: ((error: unknown) => void) | undefined;
  readonly #endings = new Map<Worker, Promise<void>>();
  readonly #failures: unknown[] = [];
  /** Those that did not end in time. */
  readonly #killed: string[] = [];

  /**
   * Creates an empty list.
   *
   * @param options How long workers may take, and who is told.
   */
  constructor(options: DispatchEndingsOptions) {
    this.#gracePeriod = options.gracePeriod ?? Infinity;
    this.#endFailed = options.endFailed;
  }

  /**
   * Lets a worker end.
   *
   * @param worker The worker.
   */
  add(worker: Worker): void {
    const ending = this.within(worker.close(), () => {
      this.noteKilled(`"${worker.name}"`);
      worker.terminate();
    }).catch((error) => this.#noteFailure(error)).finally(() => this.#endings.delete(worker));
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
    if (this.#killed.length > 0) failures.push(this.#toKilledError(this.#killed));
    if (failures.length > 1) {
      throw new AggregateError(failures, "Cannot end all workers as they should: see errors");
    }
    for (const failure of failures) throw failure;
  }

  /**
   * Waits for an end that may take as long as the grace period.
   *
   * @typeParam T What comes of it.
   * @param end The end.
   * @param kill Brings the end about when the time is over.
   * @returns What comes of it.
   */
  async within<T>(end: Promise<T>, kill: () => void): Promise<T> {
    if (this.#gracePeriod === Infinity) return await end;
    const timer = setTimeout(kill, Math.min(this.#gracePeriod, MAX_DELAY));
    try {
      return await end;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * A worker did not end in time.
   *
   * @param worker What it is called.
   */
  noteKilled(worker: string): void {
    if (this.#endFailed === undefined) this.#killed.push(worker);
    else this.#endFailed(this.#toKilledError([worker]));
  }

  #noteFailure(error: unknown): void {
    if (this.#endFailed === undefined) this.#failures.push(error);
    else this.#endFailed(error);
  }

  #toKilledError(workers: readonly string[]): WorkersKilledError {
    const { length } = workers;
    return new WorkersKilledError(
      `Cannot end ${length} worker${length === 1 ? "" : "s"} in ${this.#gracePeriod} ms: killed ` +
        `${workers.join(", ")}; raise \`gracePeriod\` if they need longer`,
      length,
    );
  }
}
