/**
 * Who owns each call on its way to another process.
 *
 * There is no memory that both sides share, but a file that both append to: the system puts appended
 * records in one order, which both sides read alike, so that whoever comes first has the call.
 *
 * ```text
 * record     16 bits, little endian: the slot, plus what happened
 * CLAIM      the worker takes the call, whose body begins now, or finds that it was taken back
 * REVOKE     the parent takes it back, or finds that it was claimed
 * CLEAR      a REVOKE of the parent's does not count
 * ABORT      the parent wants the call to end, if it was claimed before
 * PREPARE    as CLAIM, but the body begins later
 * BEGIN      the body begins now, or the worker finds that it must not
 * CLOSE      the worker runs its close hook; there is no slot
 * FORESTALL  the parent wants the body not to begin, or finds that it has
 * ```
 *
 * The file has no name any more: the parent removes it as soon as both sides have it open.
 *
 * @module
 */
import { ftruncateSync, readSync, writeSync } from "node:fs";
import { type SentClaims, type ServedClaims, WORKER_CAPACITY } from "../wire/frames.ts";

const CLAIM = 0;
const REVOKE = WORKER_CAPACITY;
const CLEAR = 2 * WORKER_CAPACITY;
const ABORT = 3 * WORKER_CAPACITY;
const PREPARE = 4 * WORKER_CAPACITY;
const BEGIN = 5 * WORKER_CAPACITY;
const FORESTALL = 6 * WORKER_CAPACITY;
const CLOSE = 7 * WORKER_CAPACITY;
const RECORD_BYTES = 2;

/** How many records the file may have before it is emptied, which can be done between calls. */
const ENOUGH = 32_768;
/** How many records it may have if there is no moment between calls; a worker ends then. */
const TOO_MANY = 64 * 1024 * 1024;

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
  readonly #received = (record: number): void => {
    const slot = record % WORKER_CAPACITY;
    if (record === CLOSE) this.#closing = true;
    else if (record < REVOKE || record >= PREPARE && record < BEGIN) {
      this.#claimed[slot] = (this.#claimed[slot] ?? 0) + 1;
      this.#preparing[slot] = record < REVOKE ? 0 : 1;
    } else if (record >= BEGIN && record < FORESTALL) this.#preparing[slot] = 0;
  };
  #closing = false;
  #unanswered = 0;
  #records = 0;

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

  send(slot: number): void {
    this.#sent[slot] = (this.#sent[slot] ?? 0) + 1;
    this.#unanswered++;
    if (++this.#records === TOO_MANY) queueMicrotask(this.#filled);
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

  isClosing(): boolean {
    this.#file.readOn(this.#received);
    return this.#closing;
  }

  abort(slot: number): boolean {
    this.#say(ABORT + slot);
    return this.#isClaimed(slot);
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
  readonly #received = (record: number): void => {
    if (record >= CLOSE) return;
    else if (record >= FORESTALL) this.#forestalled[record - FORESTALL] = 1;
    // What it has said itself.
    else if (record >= PREPARE) return;
    else if (record >= ABORT) this.#aborted[record - ABORT] = 1;
    else if (record >= CLEAR) this.#revoked[record - CLEAR] = 0;
    else if (record >= REVOKE) this.#revoked[record - REVOKE] = 1;
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
    return !revoked;
  }

  begin(slot: number): boolean {
    this.#say(BEGIN + slot);
    return this.#forestalled[slot] === 0 && this.#aborted[slot] === 0;
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

/** The file, of which each side reads every record once. */
class LogFile {
  readonly #fd: number;
  readonly #record = new Uint8Array(RECORD_BYTES);
  readonly #bytes = new Uint8Array(4096);
  #position = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  append(record: number): void {
    this.#record[0] = record & 0xff;
    this.#record[1] = record >> 8;
    writeSync(this.#fd, this.#record, 0, RECORD_BYTES);
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
    for (let at = 0; at + 1 < length; at += RECORD_BYTES) {
      this.#position += RECORD_BYTES;
      if (received((this.#bytes[at] ?? 0) | (this.#bytes[at + 1] ?? 0) << 8)) break;
    }
    return length;
  }

  clear(): void {
    ftruncateSync(this.#fd, 0);
    this.#position = 0;
  }
}
