/**
 * What ends a wait: what is waited for, a signal, or a time.
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

/** Who listens, one after another: nearly always one or nobody, so that the set is made for the second. */
class Listeners<L> {
  #first: L | undefined;
  #others: Set<L> | undefined;

  /** Whether nobody listens. */
  get empty(): boolean {
    return this.#first === undefined && (this.#others?.size ?? 0) === 0;
  }

  /** Adds a listener, once. */
  add(listener: L): void {
    if (this.#first === undefined && (this.#others?.size ?? 0) === 0) this.#first = listener;
    else if (this.#first !== listener) (this.#others ??= new Set()).add(listener);
  }

  /** Takes a listener out. */
  delete(listener: L): void {
    if (this.#first === listener) this.#first = undefined;
    else this.#others?.delete(listener);
  }

  /** Takes all out, in their order. */
  take(): Iterable<L> {
    const first = this.#first;
    const others = this.#others;
    this.#first = undefined;
    this.#others = undefined;
    if (others === undefined) return first === undefined ? [] : [first];
    return first === undefined ? others : [first, ...others];
  }
}

/** One listener of a signal for all who follow it: to add one more, Deno searches those before. */
class SharedSignal extends Listeners<CancelListener> implements CancelSignal {
  readonly #signal: AbortSignal;
  readonly #abort = (): void => {
    for (const listener of this.take()) {
      if (typeof listener === "function") listener();
      else listener.handleEvent();
    }
  };

  /**
   * Shares a signal.
   *
   * @param signal The signal.
   */
  constructor(signal: AbortSignal) {
    super();
    this.#signal = signal;
  }

  get aborted(): boolean {
    return this.#signal.aborted;
  }

  get reason(): unknown {
    return this.#signal.reason;
  }

  addEventListener(_type: "abort", listener: CancelListener): void {
    if (this.empty) this.#signal.addEventListener("abort", this.#abort);
    this.add(listener);
  }

  removeEventListener(_type: "abort", listener: CancelListener): void {
    this.delete(listener);
    if (this.empty) this.#signal.removeEventListener("abort", this.#abort);
  }
}

/** Those that somebody follows, or has followed, for as long as the signals are there. */
const SHARED = new WeakMap<AbortSignal, SharedSignal>();

/**
 * Gives a signal that thousands may follow: `addEventListener` of an `AbortSignal` takes the longer the
 * more listeners there are.
 *
 * @param signal The signal.
 * @returns The same, for listeners that are gone once it has aborted.
 */
export function shareSignal(signal: AbortSignal): CancelSignal {
  let shared = SHARED.get(signal);
  if (shared === undefined) SHARED.set(signal, shared = new SharedSignal(signal));
  return shared;
}

/** Told once how a promise has settled. */
export interface SettleListener {
  /**
   * The promise has settled. Called at once, so that nobody else's code may run here.
   *
   * @param outcome How.
   * @param source The promise.
   */
  settled(outcome: PromiseSettledResult<unknown>, source: PromiseLike<unknown>): void;
}

/** What settles, and lets go of whoever does not wait for it any more: a promise keeps all for ever. */
export interface Settling {
  /** Tells a listener when it has settled; a failure of it then counts as handled. */
  subscribe(listener: SettleListener): void;
  /** Tells it no more. */
  unsubscribe(listener: SettleListener): void;
  /** A failure counts as handled, though nobody waits. */
  handle(): void;
}

/** Under which promises of Quiver's own have what tells that they have settled. */
export const settlingSymbol: unique symbol = Symbol("quiver.settling");

/** The promises of this module's users that settle by themselves. */
interface OwnPromise {
  readonly [settlingSymbol]: Settling;
}

/** Whoever waits for something that settles, told by it. */
export class SettleListeners {
  readonly #listeners = new Listeners<SettleListener>();

  /** Adds a listener, once. */
  add(listener: SettleListener): void {
    this.#listeners.add(listener);
  }

  /** Takes a listener out. */
  delete(listener: SettleListener): void {
    this.#listeners.delete(listener);
  }

  /** Tells all, who then are gone. */
  tell(outcome: PromiseSettledResult<unknown>, source: PromiseLike<unknown>): void {
    for (const listener of this.#listeners.take()) listener.settled(outcome, source);
  }
}

/** A promise of somebody else's: it gets one reaction, however many wait for it one after another. */
class ForeignSettling implements Settling {
  readonly #promise: PromiseLike<unknown>;
  readonly #listeners = new SettleListeners();
  #settled = false;

  /**
   * Waits for a promise.
   *
   * @param promise The promise.
   */
  constructor(promise: PromiseLike<unknown>) {
    this.#promise = promise;
    this.#tellLater();
  }

  subscribe(listener: SettleListener): void {
    this.#listeners.add(listener);
    if (this.#settled) this.#tellLater();
  }

  unsubscribe(listener: SettleListener): void {
    this.#listeners.delete(listener);
  }

  handle(): void {}

  #tellLater(): void {
    this.#promise.then(
      (value) => this.#tell({ status: "fulfilled", value }),
      (reason) => this.#tell({ status: "rejected", reason }),
    );
  }

  #tell(outcome: PromiseSettledResult<unknown>): void {
    this.#settled = true;
    this.#listeners.tell(outcome, this.#promise);
  }
}

/** Those that somebody waits for, or has waited for, for as long as they are there. */
const FOREIGN = new WeakMap<PromiseLike<unknown>, ForeignSettling>();

/**
 * Gives what tells that a promise has settled, until one does not want to know any more.
 *
 * @param promise A future, or whatever has a `then`.
 */
export function settlingOf(promise: PromiseLike<unknown>): Settling {
  // Only futures have the symbol, and theirs is the one of the interface.
  if (settlingSymbol in promise) return (promise as OwnPromise)[settlingSymbol];
  let foreign = FOREIGN.get(promise);
  if (foreign === undefined) FOREIGN.set(promise, foreign = new ForeignSettling(promise));
  return foreign;
}

/**
 * Takes what a promise gives, in the turn in which that is there. Who ends the wait leaves nothing at
 * the promise, which may never settle.
 *
 * @typeParam T What the promise gives.
 * @typeParam R What is made of it.
 * @param promise The promise; it goes on when the signal comes first.
 * @param take Makes something of it.
 * @param signal Ends the wait with its reason.
 * @returns What was made of it.
 */
export function takeSettled<T, R>(
  promise: PromiseLike<T>,
  take: (value: T) => R,
  signal?: CancelSignal,
): Promise<R> {
  const { promise: taken, resolve, reject } = Promise.withResolvers<R>();
  const settling = settlingOf(promise);
  const wait = {
    settled: (outcome: PromiseSettledResult<unknown>) => {
      signal?.removeEventListener("abort", wait);
      if (outcome.status === "rejected") return reject(outcome.reason);
      try {
        // It is what the promise was fulfilled with.
        resolve(take(outcome.value as T));
      } catch (error) {
        reject(error);
      }
    },
    handleEvent: () => {
      settling.unsubscribe(wait);
      signal?.removeEventListener("abort", wait);
      reject(signal?.reason);
    },
  };
  settling.subscribe(wait);
  // A signal that has aborted before comes first.
  if (signal?.aborted === true) wait.handleEvent();
  else signal?.addEventListener("abort", wait);
  return taken;
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
  return await (signal === undefined ? promise : takeSettled(promise, (value) => value, signal));
}

/**
 * Makes an async generator that can be left at any time: by themselves, `return()` and `throw()` wait
 * for what a `next()` before them waits for, and with them a stream that is cancelled.
 *
 * @typeParam T What it gives.
 * @param generate Makes the generator, which ends when the signal aborts, whatever it waits for.
 * @returns The generator.
 */
export function leavable<T>(
  generate: (left: AbortSignal) => AsyncGenerator<T, void, void>,
): AsyncGenerator<T, void, void> {
  const left = new AbortController();
  const generator = generate(left.signal);
  const [end, fail] = [generator.return.bind(generator), generator.throw.bind(generator)];
  return Object.assign(generator, {
    return: (value: void | PromiseLike<void>) => {
      left.abort();
      return end(value);
    },
    throw: (error: unknown) => {
      left.abort();
      return fail(error);
    },
  });
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
 * @param checkArrivals Tells what has arrived where it comes from, as for a {@linkcode GiveUpTimer}.
 * @returns Ends the watch.
 */
export function giveUpOn(
  signal: AbortSignal,
  giveUp: (reason: unknown) => void,
  checkArrivals: () => ArrivalCheck = () => NOTHING_ELSE,
): Disposable {
  let timer: GiveUpTimer | undefined;
  const end = () => giveUp(signal.reason);
  const abort = () => {
    if (isTimeout(signal.reason)) timer = new GiveUpTimer(0, end, { checkArrivals });
    else end();
  };
  const shared = shareSignal(signal);
  shared.addEventListener("abort", abort);
  return {
    [Symbol.dispose]: () => {
      timer?.clear();
      shared.removeEventListener("abort", abort);
    },
  };
}

/**
 * Whether a timer is why a signal has aborted.
 *
 * @param reason The signal's reason.
 */
export function isTimeout(reason: unknown): boolean {
  return reason instanceof DOMException && reason.name === "TimeoutError";
}
