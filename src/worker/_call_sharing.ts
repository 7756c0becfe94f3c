/**
 * What both sides of a worker's channel agree upon beside the frames; how, is the kind's own matter.
 *
 * @module
 */
import type { RunResult } from "./worker.ts";

/** The parent's side of who owns which call. */
export interface SentClaims {
  /** A call is about to be sent in this slot. */
  send(slot: number): void;
  /** Takes the call back; `false` when the worker has claimed it. */
  revoke(slot: number): boolean;
  /** The call in this slot is to end; `false` when the worker has not claimed it. */
  abort(slot: number): boolean;
}

/** The worker's side of who owns which call. */
export interface ServedClaims {
  /** Takes the call; `false` when the parent has taken it back. */
  claim(slot: number): boolean;
  /** Whether the parent wants the call to end, as far as that shows while its code never awaits. */
  isAborted(slot: number): boolean;
  /** One more message was posted. */
  countPosted(): void;
}

/** A way for small answers that is shorter than that of frames. */
export interface SmallAnswers {
  /** Writes an answer if it is small; tells whether it was written. */
  write(slot: number, result: RunResult): boolean;
}
