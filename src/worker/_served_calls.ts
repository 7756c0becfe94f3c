import {
  type CallFrame,
  fromAnswerFrame,
  fromCallFrame,
  isAbortFrame,
  isReportFrame,
  type ParentFrame,
  toAnswerFrame,
  type WorkerFrame,
} from "./_call_frames.ts";
import type { ServedClaims, SmallAnswers } from "./_call_sharing.ts";
import { runToOutcome, toRefusedOutcome } from "./_run_to_outcome.ts";
import { type CallLine, ServedCall } from "./_served_call.ts";
import type { RunCall, RunResult } from "./worker.ts";

/** What a worker shares with its parent. */
export interface SharedWithParent {
  /** Who owns which call. */
  readonly claims: ServedClaims;
  /** Small answers. */
  readonly ring: SmallAnswers;
}

/** The worker's side of calls: runs them one at a time, in the order they were sent. */
export class ServedCalls implements CallLine {
  readonly #runCall: RunCall;
  readonly #claims: ServedClaims;
  readonly #ring: SmallAnswers;
  readonly #send: (frame: WorkerFrame) => void;
  readonly #sendNow: (frame: WorkerFrame) => void;
  readonly #waiting: CallFrame[] = [];
  #serving = false;
  /** The call that runs; kept until the next one does. */
  #running: ServedCall | undefined;
  #answered: () => void = () => {};

  /**
   * Creates an empty list.
   *
   * @param runCall Does the work of one call.
   * @param shared What is shared with the parent.
   * @param send Posts an answer that is not small.
   * @param sendNow Posts a report before it returns: the code that reports may never await.
   */
  constructor(
    runCall: RunCall,
    { claims, ring }: SharedWithParent,
    send: (frame: WorkerFrame) => void,
    sendNow: (frame: WorkerFrame) => void,
  ) {
    this.#runCall = runCall;
    this.#claims = claims;
    this.#ring = ring;
    this.#send = send;
    this.#sendNow = sendNow;
  }

  /**
   * Takes what was sent.
   *
   * @param frame A call, or the end of one.
   */
  receive(frame: ParentFrame): void {
    if (isAbortFrame(frame)) {
      // Any other call in the slot has ended meanwhile.
      if (this.#running?.slot === frame[0]) void this.#abort(this.#running, frame[2]);
      return;
    }
    this.#waiting.push(frame);
    if (!this.#serving) void this.#serve();
  }

  isAborted(slot: number): boolean {
    return this.#claims.isAborted(slot);
  }

  tell(slot: number, kind: string, data: unknown): void {
    this.#sendNow([slot, "report", kind, data]);
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
  async refused(frame: WorkerFrame, cause: unknown): Promise<void> {
    if (isReportFrame(frame)) return this.#send([frame[0], "report", frame[2], undefined]);
    const result = fromAnswerFrame(frame);
    // Nothing of a revoked call's answer can be refused.
    if (result.type === "revoked") throw cause;
    this.#send([frame[0], await toRefusedOutcome(result, cause)]);
  }

  async #serve(): Promise<void> {
    this.#serving = true;
    for (let frame = this.#waiting.shift(); frame !== undefined; frame = this.#waiting.shift()) {
      const [slot] = frame;
      let result: RunResult = { type: "revoked" };
      let told = false;
      if (this.#claims.claim(slot)) {
        const call = this.#running = new ServedCall(slot, this);
        result = await runToOutcome(this.#runCall, fromCallFrame(frame), call);
        told = call.end();
      }
      // What is posted keeps its order: an answer in the ring would overtake the call's reports.
      if (!told && this.#ring.write(slot, result)) continue;
      // The answer is posted before the next call is claimed, so that neither a long call nor the
      // worker's death can hold back or lose a result that is there.
      const answered = new Promise<void>((resolve) => this.#answered = resolve);
      this.#send(toAnswerFrame(slot, result));
      await answered;
    }
    this.#serving = false;
  }

  async #abort(call: ServedCall, reason: unknown): Promise<void> {
    // Imported only here: it would nearly double the time that a worker takes to start.
    const { toThrown } = await import("../value/thrown_value.ts");
    call.abort(toThrown(reason));
  }
}
