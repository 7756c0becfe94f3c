/** How often a worker that has something to do is looked at, in milliseconds. */
const INTERVAL = 500;

/**
 * How far a worker is with the first of what it has to do: it has not taken it up; it has, and loads what
 * that needs first; it is about it; or it is done, and makes the result ready for its way.
 */
export type WorkerPhase = "waiting" | "preparing" | "running" | "finishing";

/** Those in which it may not be silent for long. */
export type SilentPhase = Exclude<WorkerPhase, "running">;

/** What is known of a worker without asking it. */
export interface WatchedWorker {
  /** Whether it has anything to do. */
  readonly busy: boolean;
  /** How far it is with the first of that. */
  readonly phase: WorkerPhase;
  /** How often it has answered. */
  readonly answers: number;
  /** How long it may be silent in a phase, in milliseconds. */
  patience(phase: SilentPhase): number;
  /** Asks whether it reads messages, which counts as an answer. */
  ping(): void;
  /** The first of what it has to do is a call that has begun, if that is seen: it may not have said so. */
  noteBegun(): void;
}

/**
 * Notices a worker that takes nothing up: something that an earlier call has left behind never comes
 * back, say, or its process was stopped. Nothing tells of that, so it is looked at again and again for
 * as long as it has calls. One that has taken up a call, and loads what it needs first, is asked whether
 * it reads messages. A worker that runs a call is never meant, however long that takes.
 */
export class ResponseWatch {
  readonly #worker: WatchedWorker;
  readonly #lost: (phase: SilentPhase) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** For how long the worker was silent in its phase, as far as this isolate could have noticed. */
  #silence = 0;
  #phase: WorkerPhase = "running";
  #answers = 0;
  #ended = false;

  /**
   * Creates a watch that does not run.
   *
   * @param lost Called once when the worker was silent for too long.
   */
  constructor(worker: WatchedWorker, lost: (phase: SilentPhase) => void) {
    this.#worker = worker;
    this.#lost = lost;
  }

  /** The worker is sent something: it is looked at until it has nothing to do any more. */
  start(): void {
    if (this.#timer !== undefined || this.#ended) return;
    this.#silence = 0;
    if (this.#worker.patience("waiting") !== Infinity) this.#wait();
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
    const { phase, answers } = this.#worker;
    // While this isolate was busy, answers may have come that are read only now.
    const isAsked = phase === "preparing" || phase === "finishing";
    const silent = phase !== "running" && phase === this.#phase && answers === this.#answers;
    this.#silence = silent ? this.#silence + Math.min(passed, 2 * INTERVAL) : 0;
    this.#answers = answers;
    this.#phase = phase;
    if (silent && this.#silence >= this.#worker.patience(phase)) return this.#lost(phase);
    if (phase === "running") this.#worker.noteBegun();
    if (isAsked && this.#silence === 0) this.#worker.ping();
    if (this.#worker.busy) this.#wait();
  }
}
