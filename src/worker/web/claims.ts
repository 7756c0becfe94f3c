import { WORKER_CAPACITY } from "../wire/frames.ts";

const SENT = 0;
const CLAIMED = 1;
const REVOKED = 2;
const ABORTED = 3;

/** The word before the slots: how many messages the worker has posted. */
const POSTED = 0;

/**
 * Who owns each call on its way to a worker, in memory that both sides share, so that the parent can
 * take calls back from a worker that is busy, and knows after its death which call was running.
 *
 * Each call has a slot. The worker claims it right before it runs the call, the parent revokes it;
 * one compare-and-exchange decides. A slot is used again only after the worker has answered.
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
  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(4 * (1 + WORKER_CAPACITY))) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  /** Parent: a call is about to be sent in this slot. */
  send(slot: number): void {
    Atomics.store(this.#words, 1 + slot, SENT);
  }

  /** Worker: takes the call; `false` when the parent has taken it back. */
  claim(slot: number): boolean {
    return Atomics.compareExchange(this.#words, 1 + slot, SENT, CLAIMED) === SENT;
  }

  /** Parent: takes the call back; `false` when the worker has claimed it. */
  revoke(slot: number): boolean {
    return Atomics.compareExchange(this.#words, 1 + slot, SENT, REVOKED) === SENT;
  }

  /** Parent: the call is to end; `false` when it does not run. */
  abort(slot: number): boolean {
    return Atomics.compareExchange(this.#words, 1 + slot, CLAIMED, ABORTED) === CLAIMED;
  }

  /** Worker: whether the call that runs in this slot is to end. */
  isAborted(slot: number): boolean {
    return Atomics.load(this.#words, 1 + slot) === ABORTED;
  }

  /** Worker: one more message was posted. */
  countPosted(): void {
    Atomics.add(this.#words, POSTED, 1);
  }

  /** How many messages the worker has posted. */
  get posted(): number {
    return Atomics.load(this.#words, POSTED);
  }
}
