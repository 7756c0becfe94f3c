import type { SentClaims } from "../wire/frames.ts";

/** Options of {@linkcode CallsInTurn}. */
export interface CallsInTurnOptions {
  /** Is told of each call that was taken back, when that is done. */
  readonly revoked: (slot: number) => void;
  /** Is told that the call that was sent is to end: the how manieth it was. */
  readonly aborted: (turn: number) => void;
}

/**
 * The calls of a process, which has one at a time: the next is sent when that is answered. Nothing
 * need be shared with the process to say whose a call is: one that waits here has not begun, and the
 * process says when the one that was sent begins.
 */
export class CallsInTurn implements SentClaims {
  readonly #options: CallsInTurnOptions;
  /** Those that wait, the oldest first. */
  readonly #waiting = new Map<number, Uint8Array>();
  /** The call that the process has. */
  #sent: { readonly slot: number; begun: boolean } | undefined;
  /** Whether the process is dead, and all that it has said is known. */
  #over = false;
  #turn = 0;

  /**
   * Creates an empty list.
   *
   * @param options Who is told of what becomes of calls.
   */
  constructor(options: CallsInTurnOptions) {
    this.#options = options;
  }

  send(): void {
    // It waits as soon as it is added, with what is to be sent.
  }

  /**
   * Has a call wait for its turn.
   *
   * @param slot What stands for it.
   * @param bytes The call as it is sent.
   */
  add(slot: number, bytes: Uint8Array): void {
    this.#waiting.set(slot, bytes);
  }

  /** Takes the call whose turn it is, if the process has none. */
  take(): Uint8Array | undefined {
    if (this.#sent !== undefined) return undefined;
    for (const [slot, bytes] of this.#waiting) {
      this.#waiting.delete(slot);
      this.#sent = { slot, begun: false };
      this.#turn++;
      return bytes;
    }
    return undefined;
  }

  /** The call that was sent begins. */
  begun(): void {
    if (this.#sent !== undefined) this.#sent.begun = true;
  }

  /** The process is dead: what has not begun does not begin there. */
  end(): void {
    this.#over = true;
  }

  /** The call that was sent is answered. */
  answered(): void {
    this.#sent = undefined;
  }

  revoke(slot: number): boolean {
    // Until it says so, nobody but a living process knows whether it has begun.
    if (slot === this.#sent?.slot && (this.#sent.begun || !this.#over)) return false;
    // Who could not send it frees its slot.
    if (this.#waiting.delete(slot)) queueMicrotask(() => this.#options.revoked(slot));
    return true;
  }

  abort(slot: number): boolean {
    if (slot !== this.#sent?.slot) return false;
    this.#options.aborted(this.#turn);
    return true;
  }
}
