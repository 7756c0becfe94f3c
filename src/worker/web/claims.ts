import { WORKER_CAPACITY } from "../wire/frames.ts";

const SENT = 0;
const CLAIMED = 1;
const REVOKED = 2;
const ABORTED = 3;
const BEGUN = 4;

/** The words before the slots: how many messages the worker has posted, and whether it closes. */
const POSTED = 0;
const CLOSING = 1;
const HEADER = 2;

/**
 * Who owns each call on its way to a worker, in memory that both sides share, so that the parent can
 * take calls back from a worker that is busy, and knows after its death which call was running.
 *
 * Each call has a slot. The worker claims it right before it runs the call, the parent revokes it;
 * one compare-and-exchange decides, and so does one whether the body of a claimed call, for which a
 * module may have to be loaded first, begins. A slot is used again only after the worker has answered.
 */
export class Claims {
  /** The shared memory. */
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;

  /**
   * Creates the view of one side.
   *
   * @param buffer The other side's memory; new memory when left out.
   */
  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(4 * (HEADER + WORKER_CAPACITY))) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  /** Parent: a call is about to be sent in this slot. */
  send(slot: number): void {
    Atomics.store(this.#words, HEADER + slot, SENT);
  }

  /**
   * Worker: takes the call; `false` when the parent has taken it back.
   *
   * @param begins Whether its body begins now.
   */
  claim(slot: number, begins: boolean): boolean {
    return this.#replace(slot, SENT, begins ? BEGUN : CLAIMED);
  }

  /** Worker: the body of a claimed call begins; `false` when the call is to end. */
  begin(slot: number): boolean {
    return this.#replace(slot, CLAIMED, BEGUN);
  }

  /** Parent: takes the call back; `false` when the worker has claimed it. */
  revoke(slot: number): boolean {
    return this.#replace(slot, SENT, REVOKED);
  }

  /** Parent: keeps the body of a claimed call from beginning; `false` when it has begun. */
  forestall(slot: number): boolean {
    return this.#replace(slot, CLAIMED, ABORTED);
  }

  /** Parent: whether the worker has claimed the call. */
  isClaimed(slot: number): boolean {
    const word = Atomics.load(this.#words, HEADER + slot);
    return word === CLAIMED || word === BEGUN || word === ABORTED;
  }

  /** Parent: whether the body of the call has begun. */
  hasBegun(slot: number): boolean {
    return Atomics.load(this.#words, HEADER + slot) === BEGUN;
  }

  /** Parent: the call is to end; `false` when the worker has not claimed it. */
  abort(slot: number): boolean {
    // In this order, as its body may begin between the two.
    return this.forestall(slot) || this.#replace(slot, BEGUN, ABORTED) || this.isAborted(slot);
  }

  /** Whether the call that runs in this slot is to end. */
  isAborted(slot: number): boolean {
    return Atomics.load(this.#words, HEADER + slot) === ABORTED;
  }

  /** Worker: one more message was posted. */
  countPosted(): void {
    Atomics.add(this.#words, POSTED, 1);
  }

  /** How many messages the worker has posted. */
  get posted(): number {
    return Atomics.load(this.#words, POSTED);
  }

  /** Worker: the close hook runs from now on. */
  close(): void {
    Atomics.store(this.#words, CLOSING, 1);
  }

  /** Parent: whether the worker runs its close hook. */
  isClosing(): boolean {
    return Atomics.load(this.#words, CLOSING) === 1;
  }

  /** Puts one word in place of another; tells whether that one was there. */
  #replace(slot: number, before: number, after: number): boolean {
    return Atomics.compareExchange(this.#words, HEADER + slot, before, after) === before;
  }
}
