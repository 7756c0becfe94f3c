import { WorkerDiedError, WorkerInitError } from "../../base/errors.ts";
import { isOfSystem } from "../../base/system_error.ts";
import type { QuiverWarning } from "../../base/warning.ts";

/** Options of {@linkcode StartBackoff}. */
export interface StartBackoffOptions {
  /** Tries to start what is needed. */
  readonly retry: () => void;
  /** Told the first time that a worker cannot start. */
  readonly warn?: ((warning: QuiverWarning) => void) | undefined;
  /**
   * After how many milliseconds a start is tried again; each time that it fails once more, after twice
   * as long, up to {@linkcode LONGEST_DELAY}.
   *
   * @default {100}
   */
  readonly startDelay?: number | undefined;
}

/** How many starts in a row may fail while there is no other worker: about 1.5 seconds of them. */
const ATTEMPTS = 5;
/** The longest time between two starts, in milliseconds. */
const LONGEST_DELAY = 5000;

/**
 * How many workers there may be when the system does not give more: as many as there were when a start
 * failed, and from time to time one more.
 */
export class StartBackoff {
  readonly #options: StartBackoffOptions;
  #ceiling = Infinity;
  /** Starts in a row that failed. */
  #failed = 0;
  /** Those of the last ones that failed while there was no other worker. */
  #alone = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #warned = false;

  /**
   * Takes for granted that all workers can start.
   *
   * @param options How long to wait, and who is told.
   */
  constructor(options: StartBackoffOptions) {
    this.#options = options;
  }

  /** How many workers there may be. */
  get ceiling(): number {
    return this.#ceiling;
  }

  /** Whether a start will be tried by itself. */
  get waiting(): boolean {
    return this.#timer !== undefined;
  }

  /** A worker has started. */
  started(): void {
    // One that takes the place of another says nothing of how many there may be.
    if (this.#timer !== undefined) return;
    this.#failed = 0;
    this.#alone = 0;
    this.#ceiling++;
  }

  /**
   * A worker could not start.
   *
   * @param workers How many others take calls.
   * @param starting How many others are starting.
   */
  failed(error: unknown, workers: number, starting: number): void {
    if (isHookFailure(error)) return;
    const left = workers + starting;
    this.#ceiling = left;
    if (this.#timer !== undefined) return;
    // What has nothing to do with the moment is the same for all, unless there are some.
    const again = workers > 0 || isTransient(error);
    this.#alone = left > 0 ? 0 : this.#alone + 1;
    if (left === 0 && (!again || this.#alone === ATTEMPTS)) this.reset();
    else if (again) this.#wait(error, left > 0 ? this.#failed : this.#alone - 1);
  }

  /** Forgets what has failed. */
  reset(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#ceiling = Infinity;
    this.#failed = 0;
    this.#alone = 0;
  }

  #wait(error: unknown, doublings: number): void {
    const { retry, startDelay = 100 } = this.#options;
    this.#failed++;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#ceiling++;
      retry();
    }, Math.min(startDelay * 2 ** doublings, LONGEST_DELAY));
    this.#warn(error);
  }

  #warn(cause: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    const message =
      "An executor cannot start all of its workers: it goes on with fewer, and tries again";
    this.#options.warn?.({ message, cause });
  }
}

/**
 * Tells whether a task of the worker's own has failed, which is the user's to know: `init`, say.
 *
 * @param error Why a worker could not start.
 */
export function isHookFailure(error: unknown): boolean {
  return error instanceof WorkerInitError && error.hook !== undefined;
}

/** Whether it may go well another time: the system said no, or has ended the worker. */
function isTransient(error: unknown): boolean {
  const { cause } = error instanceof Error ? error : {};
  const died = error instanceof WorkerDiedError || cause instanceof WorkerDiedError;
  return died || isOfSystem(error);
}
