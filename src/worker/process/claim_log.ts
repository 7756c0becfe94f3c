/**
 * Who owns each call on its way to another process.
 *
 * There is no memory that both sides share, but a file that both append to: the system puts appended
 * records in one order, which both sides read alike, so that whoever comes first has the call.
 *
 * ```text
 * record     32 bits, of the machine's byte order: the slot, plus what happened
 * CLAIM      the worker takes the call, whose body begins now, or finds that it was taken back
 * REVOKE     the parent takes it back, or finds that it was claimed
 * CLEAR      a REVOKE of the parent's does not count
 * ABORT      the parent wants the call to end, if it was claimed before
 * PREPARE    as CLAIM, but the body begins later
 * BEGIN      the body begins now, or the worker finds that it must not
 * FORESTALL  the parent wants the body not to begin, or finds that it has
 * CLOSE      the worker runs its close hook; there is no slot
 * TAKE       the parent takes the items of the call that have not begun
 * ITEMS      with a count: the worker begins so many items of the call, unless they were taken
 * BACK       with a count, or none: the last so many items have not begun, unless the others were taken
 *            before, and all those before have
 * ```
 *
 * To write and read takes as long as a dozen tiny items, so that those begin several at a time: as many
 * as have just taken some microseconds. As soon as one of them waits, or takes long, the others do not
 * count as begun any more.
 *
 * The file has no name any more: the parent removes it as soon as both sides have it open.
 *
 * @module
 */
import { ftruncateSync, readSync, writeSync } from "node:fs";
import { type SentClaims, type ServedClaims, WORKER_CAPACITY } from "../wire/frames.ts";
import type { BegunItems } from "../worker.ts";

const CLAIM = 0;
const REVOKE = WORKER_CAPACITY;
const CLEAR = 2 * WORKER_CAPACITY;
const ABORT = 3 * WORKER_CAPACITY;
const PREPARE = 4 * WORKER_CAPACITY;
const BEGIN = 5 * WORKER_CAPACITY;
const FORESTALL = 6 * WORKER_CAPACITY;
const CLOSE = 7 * WORKER_CAPACITY;
const TAKE = 8 * WORKER_CAPACITY;
/** For no item; each such step more stands for one more. */
const ITEMS = TAKE + WORKER_CAPACITY;
/** How many items begin at once at most. */
const MAX_ITEMS = 64;
/** For no item; each such step more stands for one more. */
const BACK = ITEMS + (MAX_ITEMS + 1) * WORKER_CAPACITY;
const RECORD_BYTES = 4;

/** How long the items take that begin at once, in milliseconds. */
const SHORT = 0.02;

/** How many records the file may have before it is emptied, which can be done between calls. */
const ENOUGH = 16_384;
/** How many records it may have if there is no moment between calls; a worker ends then. */
const TOO_MANY = 32 * 1024 * 1024;

/** The parent's side. */
export class SentClaimLog implements SentClaims {
  readonly #file: LogFile;
  readonly #filled: () => void;
  /** How often each slot was sent. */
  readonly #sent = new Uint32Array(WORKER_CAPACITY);
  /** How often the worker has claimed each slot, as far as the file was read. */
  readonly #claimed = new Uint32Array(WORKER_CAPACITY);
  /** Whether the body of the call that was claimed last has yet to begin. */
  readonly #preparing = new Uint8Array(WORKER_CAPACITY);
  /** How many items have begun of the call that was last claimed in each slot. */
  readonly #items = new Uint32Array(WORKER_CAPACITY);
  /** How many of them may be about to begin. */
  readonly #unsure = new Uint8Array(WORKER_CAPACITY);
  /** Whether the others were taken. */
  readonly #taken = new Uint8Array(WORKER_CAPACITY);
  #closing = false;
  #unanswered = 0;
  #records = 0;
  readonly #received = (record: number): void => {
    const slot = record % WORKER_CAPACITY;
    const said = record - slot;
    if (said >= ITEMS) {
      if (this.#taken[slot] === 1) return;
      const count = toCount(record);
      this.#items[slot] = (this.#items[slot] ?? 0) + count;
      this.#unsure[slot] = Math.max(0, count - 1);
    } else if (said === CLAIM || said === PREPARE) {
      this.#claimed[slot] = (this.#claimed[slot] ?? 0) + 1;
      this.#preparing[slot] = said === PREPARE ? 1 : 0;
      this.#items[slot] = 0;
      this.#unsure[slot] = 0;
      this.#taken[slot] = 0;
    } else if (said === BEGIN) this.#preparing[slot] = 0;
    else if (said === TAKE) this.#taken[slot] = 1;
    else if (said === CLOSE) this.#closing = true;
  };

  /**
   * Takes over the file.
   *
   * @param fd The open file.
   * @param filled Is told when the file has grown so large that the worker should end.
   */
  constructor(fd: number, filled: () => void) {
    this.#file = new LogFile(fd);
    this.#filled = filled;
  }

  send(slot: number, items = 0): void {
    this.#sent[slot] = (this.#sent[slot] ?? 0) + 1;
    this.#unanswered++;
    const before = this.#records;
    this.#records += 1 + items;
    if (before < TOO_MANY && this.#records >= TOO_MANY) queueMicrotask(this.#filled);
  }

  revoke(slot: number): boolean {
    this.#say(REVOKE + slot);
    if (!this.#isClaimed(slot)) return true;
    this.#file.append(CLEAR + slot);
    return false;
  }

  forestall(slot: number): boolean {
    this.#say(FORESTALL + slot);
    return this.#isClaimed(slot) && this.#preparing[slot] === 1;
  }

  isClaimed(slot: number): boolean {
    this.#file.readOn(this.#received);
    return this.#isClaimed(slot);
  }

  hasBegun(slot: number): boolean {
    return this.isClaimed(slot) && this.#preparing[slot] === 0;
  }

  isPreparing(slot: number): boolean {
    return this.isClaimed(slot) && this.#preparing[slot] === 1;
  }

  isClosing(): boolean {
    this.#file.readOn(this.#received);
    return this.#closing;
  }

  abort(slot: number): boolean {
    this.#say(ABORT + slot);
    return this.#isClaimed(slot);
  }

  takeItems(slot: number): BegunItems | undefined {
    this.#say(TAKE + slot);
    if (!this.#isClaimed(slot)) return undefined;
    const count = this.#items[slot] ?? 0;
    return { count, sure: count - (this.#unsure[slot] ?? 0) };
  }

  begunItems(slot: number): number {
    return this.isClaimed(slot) ? this.#items[slot] ?? 0 : 0;
  }

  /**
   * The call could not be sent at all.
   *
   * @param slot Its slot.
   */
  withdraw(slot: number): void {
    this.#sent[slot] = (this.#sent[slot] ?? 0) - 1;
    this.#file.append(CLEAR + slot);
    this.#settle();
  }

  /** The worker has answered a call, which frees its slot. */
  answered(): void {
    this.#settle();
  }

  /** Says what this side wants, and reads what the worker has said before. */
  #say(wish: number): void {
    this.#file.append(wish);
    this.#file.readTo(wish, this.#received);
  }

  #isClaimed(slot: number): boolean {
    return this.#claimed[slot] === this.#sent[slot];
  }

  #settle(): void {
    if (--this.#unanswered > 0 || this.#records < ENOUGH) return;
    // The worker has nothing to claim, so nobody else reads or writes now.
    this.#file.clear();
    this.#claimed.set(this.#sent);
    this.#preparing.fill(0);
    this.#records = 0;
  }
}

/** The worker's side. */
export class ServedClaimLog implements ServedClaims {
  readonly #file: LogFile;
  readonly #revoked = new Uint8Array(WORKER_CAPACITY);
  readonly #aborted = new Uint8Array(WORKER_CAPACITY);
  readonly #forestalled = new Uint8Array(WORKER_CAPACITY);
  readonly #taken = new Uint8Array(WORKER_CAPACITY);
  /** How many items count as begun that have not. */
  #ahead = 0;
  /** How many items began last, and when, if that was in the same call. */
  #count = 1;
  #since: number | undefined;
  readonly #received = (record: number): void => {
    const slot = record % WORKER_CAPACITY;
    switch (record - slot) {
      case REVOKE:
        this.#revoked[slot] = 1;
        break;
      case CLEAR:
        this.#revoked[slot] = 0;
        break;
      case ABORT:
        this.#aborted[slot] = 1;
        break;
      case FORESTALL:
        this.#forestalled[slot] = 1;
        break;
      case TAKE:
        this.#taken[slot] = 1;
        break;
      default:
        // What this side has said itself.
    }
  };

  /**
   * Takes over the file.
   *
   * @param fd The open file.
   */
  constructor(fd: number) {
    this.#file = new LogFile(fd);
  }

  claim(slot: number, begins: boolean): boolean {
    this.#say((begins ? CLAIM : PREPARE) + slot);
    const revoked = this.#revoked[slot] === 1;
    this.#revoked[slot] = 0;
    // What was said before concerns another call in the slot.
    this.#aborted[slot] = 0;
    this.#forestalled[slot] = 0;
    this.#taken[slot] = 0;
    this.#ahead = 0;
    this.#since = undefined;
    return !revoked;
  }

  begin(slot: number): boolean {
    this.#say(BEGIN + slot);
    return this.#forestalled[slot] === 0 && this.#aborted[slot] === 0;
  }

  beginItem(slot: number): boolean {
    if (this.#ahead > 0) {
      this.#ahead--;
      return true;
    }
    const now = performance.now();
    if (this.#since !== undefined) this.#count = toNextCount(this.#count, now - this.#since);
    this.#since = now;
    this.#say(ITEMS + this.#count * WORKER_CAPACITY + slot);
    if (this.#taken[slot] === 1) return false;
    this.#ahead = this.#count - 1;
    return true;
  }

  awaitItem(slot: number): void {
    this.#since = undefined;
    if (this.#count === 1) return;
    // Where the others were taken before, these come back with the answer.
    this.#file.append(BACK + this.#ahead * WORKER_CAPACITY + slot);
    this.#ahead = 0;
    this.#count = 1;
  }

  isAborted(slot: number): boolean {
    this.#file.readOn(this.#received);
    return this.#aborted[slot] === 1;
  }

  countPosted(): void {
    // What is written into a pipe is there for the parent; it needs no count to wait for.
  }

  close(): void {
    this.#file.append(CLOSE);
  }

  /** Says what happens, and reads what the parent has said before. */
  #say(record: number): void {
    this.#file.append(record);
    this.#file.readTo(record, this.#received);
  }
}

/** How many items more have begun by a record of items. */
function toCount(record: number): number {
  return record < BACK
    ? Math.floor((record - ITEMS) / WORKER_CAPACITY)
    : -Math.floor((record - BACK) / WORKER_CAPACITY);
}

/** How many items are to begin next, when so many that began last have taken so long. */
function toNextCount(count: number, time: number): number {
  let next = count;
  for (; next > 1 && time > SHORT; time /= 2) next /= 2;
  return next < MAX_ITEMS && 2 * time <= SHORT ? 2 * next : next;
}

/** The file, of which each side reads every record once. */
class LogFile {
  readonly #fd: number;
  readonly #record = new Uint32Array(1);
  readonly #recordBytes = new Uint8Array(this.#record.buffer);
  readonly #records = new Uint32Array(1024);
  readonly #bytes = new Uint8Array(this.#records.buffer);
  #position = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  append(record: number): void {
    this.#record[0] = record;
    writeSync(this.#fd, this.#recordBytes, 0, RECORD_BYTES);
  }

  /** Reads on to a record that this side has appended, and not beyond. */
  readTo(last: number, received: (record: number) => void): void {
    let found = false;
    const receive = (record: number) => {
      received(record);
      found = record === last;
      return found;
    };
    while (!found) {
      // Nothing, though this side has just appended: the parent has emptied the file.
      if (this.#readPiece(receive) === 0) this.#position = 0;
    }
  }

  /** Reads on to what is the end now; only for who knows that the file was not emptied. */
  readOn(received: (record: number) => void): void {
    while (
      this.#readPiece((record) => {
        received(record);
        return false;
      }) === this.#bytes.length
    );
  }

  /** Reads some records, until one is the last of interest; tells how many bytes there were. */
  #readPiece(received: (record: number) => boolean): number {
    const length = readSync(this.#fd, this.#bytes, 0, this.#bytes.length, this.#position);
    const count = Math.floor(length / RECORD_BYTES);
    for (let index = 0; index < count; index++) {
      this.#position += RECORD_BYTES;
      if (received(this.#records[index] ?? 0)) break;
    }
    return length;
  }

  clear(): void {
    ftruncateSync(this.#fd, 0);
    this.#position = 0;
  }
}
