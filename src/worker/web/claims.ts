import { WORKER_CAPACITY } from "../wire/frames.ts";
import type { BegunItems } from "../worker.ts";

const SENT = 0;
const CLAIMED = 1;
const REVOKED = 2;
const ABORTED = 3;

/** The word before the slots: how many messages the worker has posted. */
const POSTED = 0;
/** The words behind the slots count the items that have begun; this bit says that no other does. */
const TAKEN = 1 << 31;
const WORDS = 1 + 2 * WORKER_CAPACITY;

/**
 * Who owns each call on its way to a worker, in memory that both sides share, so that the parent can
 * take calls back from a worker that is busy, and knows after its death which call was running.
 *
 * Each call has a slot. The worker claims it right before it runs the call, the parent revokes it;
 * one compare-and-exchange decides. A slot is used again only after the worker has answered. A second
 * word of each slot counts the items of its call that have begun, until the parent takes the others.
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
  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(4 * WORDS)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  /** Parent: a call is about to be sent in this slot. */
  send(slot: number): void {
    Atomics.store(this.#words, toItems(slot), 0);
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

  /** Worker: the next item of the call in this slot begins; `false` when the parent has taken it. */
  beginItem(slot: number): boolean {
    if (Atomics.add(this.#words, toItems(slot), 1) >= 0) return true;
    Atomics.sub(this.#words, toItems(slot), 1);
    return false;
  }

  /** Worker: each item is counted as it begins, and none before. */
  awaitItem(): void {}

  /** Parent: takes the items that have not begun; gives which have, if the call is claimed. */
  takeItems(slot: number): BegunItems | undefined {
    const state = Atomics.load(this.#words, 1 + slot);
    if (state === SENT || state === REVOKED) return undefined;
    const count = Atomics.or(this.#words, toItems(slot), TAKEN) & ~TAKEN;
    return { count, sure: count };
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

function toItems(slot: number): number {
  return 1 + WORKER_CAPACITY + slot;
}
