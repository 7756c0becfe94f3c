import { WORKER_CAPACITY } from "../wire/frames.ts";
import type { BegunItems } from "../worker.ts";

const SENT = 0;
const CLAIMED = 1;
const REVOKED = 2;
const ABORTED = 3;
const BEGUN = 4;
const FORESTALLED = 5;

/** The words before the slots: how many messages the worker has posted, and whether it closes. */
const POSTED = 0;
const CLOSING = 1;
/** Where the state of each slot's call begins. */
const STATES = 2;
/** Where the counts of the items begin that have begun. */
const ITEMS = STATES + WORKER_CAPACITY;
const WORDS = ITEMS + WORKER_CAPACITY;
/** This bit of a count says that no other item begins. */
const TAKEN = 1 << 31;

/**
 * Who owns each call on its way to a worker, in memory that both sides share, so that the parent can
 * take calls back from a worker that is busy, and knows after its death which call was running.
 *
 * Each call has a slot. The worker claims it right before it runs the call, the parent revokes it;
 * one compare-and-exchange decides, and so does one whether the body of a claimed call, for which a
 * module may have to be loaded first, begins. A slot is used again only after the worker has answered.
 *
 * A second word of each slot counts the items of its call that have begun, until the parent takes the
 * others.
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
    Atomics.store(this.#words, ITEMS + slot, 0);
    Atomics.store(this.#words, STATES + slot, SENT);
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
    return this.#replace(slot, CLAIMED, FORESTALLED);
  }

  /** Parent: whether the worker has claimed the call. */
  isClaimed(slot: number): boolean {
    const word = Atomics.load(this.#words, STATES + slot);
    return word !== SENT && word !== REVOKED;
  }

  /** Parent: whether the worker has claimed the call, and its body has not begun. */
  isPreparing(slot: number): boolean {
    const word = Atomics.load(this.#words, STATES + slot);
    return word === CLAIMED || word === FORESTALLED;
  }

  /** Parent: whether the body of the call has begun. */
  hasBegun(slot: number): boolean {
    return Atomics.load(this.#words, STATES + slot) === BEGUN;
  }

  /** Parent: the call is to end; `false` when the worker has not claimed it. */
  abort(slot: number): boolean {
    // In this order, as its body may begin between the two.
    return this.forestall(slot) || this.#replace(slot, BEGUN, ABORTED) || this.isAborted(slot);
  }

  /** Whether the call that runs in this slot is to end. */
  isAborted(slot: number): boolean {
    const word = Atomics.load(this.#words, STATES + slot);
    return word === ABORTED || word === FORESTALLED;
  }

  /** Worker: the next item of the call in this slot begins; `false` when the parent has taken it. */
  beginItem(slot: number): boolean {
    if (Atomics.add(this.#words, ITEMS + slot, 1) >= 0) return true;
    Atomics.sub(this.#words, ITEMS + slot, 1);
    return false;
  }

  /** Worker: each item is counted as it begins, and none before. */
  awaitItem(): void {}

  /** Parent: takes the items that have not begun; gives which have, if the call is claimed. */
  takeItems(slot: number): BegunItems | undefined {
    if (!this.isClaimed(slot)) return undefined;
    const count = Atomics.or(this.#words, ITEMS + slot, TAKEN) & ~TAKEN;
    return { count, sure: count };
  }

  /** Parent: how many items of the call have begun. */
  begunItems(slot: number): number {
    return this.isClaimed(slot) ? Atomics.load(this.#words, ITEMS + slot) & ~TAKEN : 0;
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
    return Atomics.compareExchange(this.#words, STATES + slot, before, after) === before;
  }
}
