/** Up to here a journal's values are few: as large ones are, which wait best. */
const FEW_VALUES = 4096;

/** How many full journals of one writer wait at most. */
const MOST_JOURNALS = 8;

/** How long nothing is written before what waits is folded, in milliseconds. */
const PAUSE = 50;

/** What a pace needs. */
export interface FoldPaceOptions {
  /** Starts a fold. */
  readonly start: () => void;
  /**
   * Calls a function after a pause, unless what it returns is disposed before.
   *
   * @default {startTimer}
   */
  readonly wait?: (fn: () => void) => Disposable;
}

/**
 * Says when full journals are folded.
 *
 * A fold reads what it seals, writes it again and syncs it, so beside writers of large values it
 * takes the better part of the machine from them. Few large values wait in journals as well as in
 * segments: their headers are found in no time. So they are folded when their writer pauses, or when
 * eight journals of them wait; many small values are folded as soon as their journal is full.
 */
export class FoldPace implements Disposable {
  readonly #start: () => void;
  readonly #wait: (fn: () => void) => Disposable;
  /** In the journal that is being written. */
  #values = 0;
  /** Full journals that wait. */
  #journals = 0;
  #timer: Disposable | undefined;

  /**
   * Creates a pace; nothing waits yet.
   *
   * @param options What it needs.
   */
  constructor({ start, wait = startTimer }: FoldPaceOptions) {
    this.#start = start;
    this.#wait = wait;
  }

  /** Takes note of a value that was put into a journal. */
  count(): void {
    this.#values++;
  }

  /** Takes note that the journal is full: it is folded now or later. */
  full(): void {
    const many = this.#values > FEW_VALUES;
    this.#values = 0;
    this.#journals++;
    if (many || this.#journals >= MOST_JOURNALS) this.#fold();
    else this.#timer ??= this.#watch();
  }

  #fold(): void {
    this[Symbol.dispose]();
    this.#journals = 0;
    this.#start();
  }

  /** Folds when nothing was written during a pause, and else waits for the next one. */
  #watch(): Disposable {
    const [values, journals] = [this.#values, this.#journals];
    return this.#wait(() => {
      this.#timer = undefined;
      if (this.#values === values && this.#journals === journals) this.#fold();
      else this.#timer = this.#watch();
    });
  }

  /** Forgets what waits: it is folded by whoever closes the bag, or fills a journal next. */
  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}

/** A process that has nothing else to do need not wait for this one. */
function startTimer(fn: () => void): Disposable {
  const timer = setTimeout(fn, PAUSE);
  Deno.unrefTimer(timer);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
