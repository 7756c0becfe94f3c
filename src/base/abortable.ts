/**
 * What ends a wait: a signal, or a time.
 *
 * Timers fire before what has arrived while the thread was busy is read: a call may be over, and a
 * worker have ended, and only the message of it waits. So whatever is given up after a time is given
 * up by `GiveUpTimer`.
 *
 * @module
 */

/** What is told of a cancellation: a function, or an object where a closure for each would cost. */
export type CancelListener = (() => void) | { handleEvent(): void };

/**
 * What a wait needs of an `AbortSignal`. A real one will do; one costs more to make than a short call
 * to run, so that futures have a lighter one until somebody asks for the real one.
 */
export interface CancelSignal {
  /** Whether the wait is to end. */
  readonly aborted: boolean;
  /** Why. */
  readonly reason: unknown;
  /** Tells a listener when the wait is to end. */
  addEventListener(type: "abort", listener: CancelListener): void;
  /** Tells it no more. */
  removeEventListener(type: "abort", listener: CancelListener): void;
}

/**
 * Waits for a promise, or for a signal, whichever comes first.
 *
 * @typeParam T What the promise gives.
 * @param promise The promise; it goes on when the signal comes first.
 * @param signal Ends the wait with its reason.
 * @returns What the promise gives.
 */
export async function abortable<T>(promise: Promise<T>, signal?: CancelSignal): Promise<T> {
  if (signal === undefined) return await promise;
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort);
  try {
    // In this order, as a signal that has aborted before comes first.
    return await Promise.race([aborted.promise, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/**
 * Waits for some time.
 *
 * @param milliseconds How long.
 * @param signal Ends the wait with its reason.
 */
export async function sleep(milliseconds: number, signal?: CancelSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  try {
    await abortable(promise, signal);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Has a signal look for its abort when it is read: code that never awaits hears no events.
 *
 * @param signal The signal; it is changed.
 * @param poll Aborts the signal if it is to be. Called anew while it does so.
 */
export function pollWhenRead(signal: AbortSignal, poll: () => void): AbortSignal {
  return Object.defineProperties(signal, {
    aborted: {
      configurable: true,
      get: () => {
        poll();
        return Reflect.get(AbortSignal.prototype, "aborted", signal);
      },
    },
    throwIfAborted: {
      configurable: true,
      value: () => {
        poll();
        AbortSignal.prototype.throwIfAborted.call(signal);
      },
    },
  });
}

/** The longest delay that a timer takes. */
const MAX_DELAY = 2 ** 31 - 1;
/** In how many steps a time passes, none of them shorter than the least one, in milliseconds. */
const STEPS = 16;
const LEAST_STEP = 50;
/** How many turns of the event loop what has arrived gets to be read, and to have its consequences. */
const TURNS = 8;

/** Asked once in each turn of the event loop: whether all was read that had arrived before. */
export type ArrivalCheck = () => boolean;

const NOTHING_ELSE: ArrivalCheck = () => true;

/**
 * Gives something up when a time is over in which this isolate could have heard of it: the time in
 * which its event loop stood still does not count, and what has arrived at the end is read first.
 */
export class GiveUpTimer implements Disposable {
  readonly #giveUp: () => void;
  readonly #checkArrivals: () => ArrivalCheck;
  readonly #referenced: boolean;
  readonly #step: number;
  #left: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #cleared = false;

  /**
   * Begins to wait.
   *
   * @param delay How long, in milliseconds; for ever where it is `Infinity`.
   * @param giveUp Called once at the end, unless it is cleared before.
   * @param options What has to be read first, and whether the timer keeps the program alive.
   */
  constructor(
    delay: number,
    giveUp: () => void,
    { checkArrivals = () => NOTHING_ELSE, referenced = true }: GiveUpTimerOptions = {},
  ) {
    this.#giveUp = giveUp;
    this.#checkArrivals = checkArrivals;
    this.#referenced = referenced;
    this.#step = Math.min(Math.max(delay / STEPS, LEAST_STEP), MAX_DELAY);
    this.#left = Math.max(delay, 0);
    if (delay !== Infinity) this.#wait();
  }

  /** Gives nothing up any more. */
  clear(): void {
    this.#cleared = true;
    clearTimeout(this.#timer);
  }

  /** The same as {@linkcode GiveUpTimer.clear}. */
  [Symbol.dispose](): void {
    this.clear();
  }

  #wait(): void {
    const begun = performance.now();
    const step = Math.min(this.#left, this.#step);
    this.#timer = setTimeout(() => {
      // What is beyond is time in which nothing was read.
      this.#left -= Math.min(performance.now() - begun, 2 * step);
      if (this.#left > 0) this.#wait();
      else this.#turn(TURNS, this.#checkArrivals());
    }, step);
    if (!this.#referenced) Deno.unrefTimer(this.#timer);
  }

  /** No timer is left behind when it is cleared meanwhile. */
  #turn(left: number, hasArrived: ArrivalCheck): void {
    if (this.#cleared) return;
    if (left === 0) return this.#giveUp();
    this.#timer = setTimeout(() => this.#turn(hasArrived() ? left - 1 : TURNS, hasArrived));
  }
}

/** Options of {@linkcode GiveUpTimer}. */
export interface GiveUpTimerOptions {
  /** Tells what has arrived where it comes from, for who knows more than that some turns are enough. */
  readonly checkArrivals?: (() => ArrivalCheck) | undefined;
  /**
   * Whether it keeps the program alive.
   *
   * @default {true}
   */
  readonly referenced?: boolean;
}

/** Lets what has arrived be read, as far as some turns of the event loop do. */
export async function letArrive(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await nextTurn();
}

/** Waits until the event loop has come round. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/**
 * Gives something up when a signal aborts: at once, but for one that a timer aborts, as
 * `AbortSignal.timeout()` does, which lets what has arrived be read first.
 *
 * @param signal The signal, which has not aborted.
 * @param giveUp Called with its reason, unless the watch is disposed before.
 * @returns Ends the watch.
 */
export function giveUpOn(signal: AbortSignal, giveUp: (reason: unknown) => void): Disposable {
  let watching = true;
  const end = () => {
    if (watching) giveUp(signal.reason);
  };
  const abort = () => {
    if (isTimeout(signal.reason)) void letArrive().then(end);
    else end();
  };
  signal.addEventListener("abort", abort);
  return {
    [Symbol.dispose]: () => {
      watching = false;
      signal.removeEventListener("abort", abort);
    },
  };
}

function isTimeout(reason: unknown): boolean {
  return reason instanceof DOMException && reason.name === "TimeoutError";
}
