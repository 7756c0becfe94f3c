import {
  type AnswerFrame,
  type CallFrame,
  fromAnswerFrame,
  fromCallFrame,
  toAnswerFrame,
} from "./_call_frames.ts";
import type { ServedClaims, SmallAnswers } from "./_call_sharing.ts";
import { runToOutcome, toRefusedOutcome } from "./_run_to_outcome.ts";
import type { RunCall, RunResult } from "./worker.ts";

/** What a worker shares with its parent. */
export interface SharedWithParent {
  /** Who owns which call. */
  readonly claims: ServedClaims;
  /** Small answers. */
  readonly ring: SmallAnswers;
}

/** The worker's side of calls: runs them one at a time, in the order they were sent. */
export class ServedCalls {
  readonly #runCall: RunCall;
  readonly #claims: ServedClaims;
  readonly #ring: SmallAnswers;
  readonly #send: (frame: AnswerFrame) => void;
  readonly #waiting: CallFrame[] = [];
  #serving = false;
  #answered: () => void = () => {};

  /**
   * Creates an empty list.
   *
   * @param runCall Does the work of one call.
   * @param shared What is shared with the parent.
   * @param send Posts an answer that is not small.
   */
  constructor(
    runCall: RunCall,
    { claims, ring }: SharedWithParent,
    send: (frame: AnswerFrame) => void,
  ) {
    this.#runCall = runCall;
    this.#claims = claims;
    this.#ring = ring;
    this.#send = send;
  }

  /**
   * Takes a call that was sent.
   *
   * @param frame The call.
   */
  add(frame: CallFrame): void {
    this.#waiting.push(frame);
    if (!this.#serving) void this.#serve();
  }

  /** Something was posted: the answer, if one was on its way. */
  posted(): void {
    this.#claims.countPosted();
    this.#answered();
  }

  /**
   * An answer could not be posted: its result cannot be cloned.
   *
   * @param frame The answer.
   * @param cause What structured clone threw.
   */
  async refused(frame: AnswerFrame, cause: unknown): Promise<void> {
    const result = fromAnswerFrame(frame);
    // Nothing of a revoked call's answer can be refused.
    if (result.type === "revoked") throw cause;
    this.#send([frame[0], await toRefusedOutcome(result, cause)]);
  }

  async #serve(): Promise<void> {
    this.#serving = true;
    for (let frame = this.#waiting.shift(); frame !== undefined; frame = this.#waiting.shift()) {
      const [slot] = frame;
      const result: RunResult = this.#claims.claim(slot)
        ? await runToOutcome(this.#runCall, fromCallFrame(frame))
        : { type: "revoked" };
      if (this.#ring.write(slot, result)) continue;
      // The answer is posted before the next call is claimed, so that neither a long call nor the
      // worker's death can hold back or lose a result that is there.
      const answered = new Promise<void>((resolve) => this.#answered = resolve);
      this.#send(toAnswerFrame(slot, result));
      await answered;
    }
    this.#serving = false;
  }
}
