/** How often a worker that has something to do is looked at, in milliseconds. */
const INTERVAL = 500;

/** What is known of a worker without asking it. */
export interface WatchedWorker {
  /** Whether it has anything to do. */
  readonly busy: boolean;
  /** Whether it has taken up nothing of that: none of its calls, or not its end. */
  readonly waits: boolean;
  /** How often it has answered. */
  readonly answers: number;
  /** How long it may leave things alone, in milliseconds. */
  readonly patience: number;
}

/**
 * Notices a worker that takes nothing up: something that an earlier call has left behind never comes
 * back, say, or its process was stopped. Nothing tells of that, so it is looked at again and again for
 * as long as it has calls. A worker that runs a call is never meant, however long that takes.
 */
export class ResponseWatch {
  readonly #worker: WatchedWorker;
  readonly #lost: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** For how long the worker has taken nothing up, as far as this isolate could have noticed. */
  #silence = 0;
  #answers = 0;
  #ended = false;

  /**
   * Creates a watch that does not run.
   *
   * @param lost Called once when the worker has taken nothing up for too long.
   */
  constructor(worker: WatchedWorker, lost: () => void) {
    this.#worker = worker;
    this.#lost = lost;
  }

  /** The worker is sent something: it is looked at until it has nothing to do any more. */
  start(): void {
    if (this.#timer !== undefined || this.#ended) return;
    this.#silence = 0;
    if (this.#worker.patience !== Infinity) this.#wait();
  }

  /** The worker is dead. */
  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }

  #wait(): void {
    const begun = performance.now();
    this.#timer = setTimeout(() => this.#look(performance.now() - begun), INTERVAL);
    // What it waits for keeps the program alive.
    Deno.unrefTimer(this.#timer);
  }

  #look(passed: number): void {
    this.#timer = undefined;
    const { waits, answers, patience } = this.#worker;
    // While this isolate was busy, answers may have come that are read only now.
    const silent = waits && answers === this.#answers;
    this.#silence = silent ? this.#silence + Math.min(passed, 2 * INTERVAL) : 0;
    this.#answers = answers;
    if (this.#silence >= patience) this.#lost();
    else if (this.#worker.busy) this.#wait();
  }
}
