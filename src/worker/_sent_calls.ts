import { type WorkerDeath, WorkerDiedError } from "../base/errors.ts";
import { fromThrown } from "../value/codec/thrown_value.ts";
import {
  type AbortFrame,
  fromAnswerFrame,
  isReportFrame,
  WORKER_CAPACITY,
  type WorkerFrame,
} from "./_call_frames.ts";
import type { SentClaims } from "./_call_sharing.ts";
import type { CallFollower, CallTaker, RunResult } from "./worker.ts";

/** A call on its way to a worker. */
interface SentCall {
  /** The task's name, for messages. */
  readonly task: string;
  /** Where the claim stands. */
  readonly slot: number;
  /** Who waits for it. */
  readonly taker: CallTaker;
  /** Whether it can be sent only once, as its arguments have gone with it. */
  readonly once: boolean;
}

/** What the parent knows of the calls that it has sent to one worker. */
export class SentCalls {
  readonly #worker: string;
  readonly #claims: SentClaims;
  readonly #slots = Array.from({ length: WORKER_CAPACITY }, (_, slot) => slot);
  /** Those in a slot, which is theirs until the worker has answered. */
  readonly #sent: (SentCall | undefined)[] = [];
  /** Neither ended nor taken back, oldest first. */
  #calls: SentCall[] = [];
  #drained: PromiseWithResolvers<void> | undefined;

  /**
   * Creates an empty list.
   *
   * @param worker The worker's name, for messages.
   * @param claims Who owns which call.
   */
  constructor(worker: string, claims: SentClaims) {
    this.#worker = worker;
    this.#claims = claims;
  }

  /** How many calls were sent and have neither ended nor been taken back. */
  get size(): number {
    return this.#calls.length;
  }

  /** How many more can be sent. */
  get room(): number {
    return this.#slots.length;
  }

  /**
   * Notes a call that is about to be sent.
   *
   * @param task The task's name.
   * @param once Whether it can be sent only once.
   * @param taker Who waits for it.
   * @returns The call's slot.
   * @throws {RangeError} When there are too many calls already.
   */
  add(task: string, once: boolean, taker: CallTaker): number {
    const slot = this.#slots.pop();
    if (slot === undefined) {
      throw new RangeError(
        `Cannot send "${task}" to worker "${this.#worker}": ${WORKER_CAPACITY} calls are on their way`,
      );
    }
    this.#claims.send(slot);
    const call = { task, slot, taker, once };
    this.#sent[slot] = call;
    this.#calls.push(call);
    return slot;
  }

  /**
   * Takes what the worker has posted.
   *
   * @param frame An answer, or what a call says while it runs.
   */
  receive(frame: WorkerFrame): void {
    if (isReportFrame(frame)) this.#sent[frame[0]]?.taker.follower?.told(frame[2], frame[3]);
    else this.resolve(frame[0], fromAnswerFrame(frame));
  }

  /**
   * A call that runs is to end.
   *
   * @param follower What stands for the call.
   * @param reason Why.
   * @returns What is to be sent, or `undefined` when the call does not run.
   */
  abort(follower: CallFollower, reason: unknown): AbortFrame | undefined {
    const call = this.#calls.find(({ taker }) => taker.follower === follower);
    if (call === undefined || !this.#claims.abort(call.slot)) return undefined;
    return [call.slot, "abort", fromThrown(reason)];
  }

  /**
   * The worker has answered; where the call was taken back, this only frees its slot.
   *
   * @param slot Where the call's claim stands.
   * @param result How it ended.
   */
  resolve(slot: number, result: RunResult): void {
    this.#remove(slot)?.taker.ended(result);
  }

  /**
   * The call could not be sent.
   *
   * @param slot Where the call's claim stands.
   * @param error Why.
   */
  reject(slot: number, error: unknown): void {
    this.#remove(slot)?.taker.failed(error);
  }

  /** Takes back the newest call that the worker has not claimed; its taker is told later. */
  revokeNewest(): boolean {
    const newest = this.#calls.at(-1);
    // Calls are claimed in order: when the newest is claimed, all are.
    if (newest === undefined || newest.once || !this.#claims.revoke(newest.slot)) return false;
    this.#calls.pop();
    queueMicrotask(() => newest.taker.ended({ type: "revoked" }));
    this.#settleDrained();
    return true;
  }

  /**
   * The worker is dead: the call that it had claimed fails, and those that can be sent only once; the
   * others may go elsewhere.
   */
  fail(death: WorkerDeath): void {
    const calls = this.#calls;
    this.#calls = [];
    for (const { task, slot, taker, once } of calls) {
      if (!once && this.#claims.revoke(slot)) {
        queueMicrotask(() => taker.ended({ type: "revoked" }));
        continue;
      }
      // Code that outlives its worker can still see that it is to end.
      this.#claims.abort(slot);
      const message = `Cannot finish "${task}": worker "${this.#worker}" ended: ${death.reason}`;
      const error = new WorkerDiedError(message, death);
      queueMicrotask(() => taker.failed(error));
    }
    this.#settleDrained();
  }

  /** Resolves as soon as there are no calls. */
  drained(): Promise<void> {
    if (this.#calls.length === 0) return Promise.resolve();
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  /** Frees a slot; gives the call in it that has neither ended nor been taken back, if there is one. */
  #remove(slot: number): SentCall | undefined {
    const call = this.#sent[slot];
    if (call === undefined) return undefined;
    this.#sent[slot] = undefined;
    this.#slots.push(slot);
    // Calls end in order but for those that cannot be sent, so that the first is nearly always it.
    const index = this.#calls.indexOf(call);
    if (index < 0) return undefined;
    this.#calls.splice(index, 1);
    this.#settleDrained();
    return call;
  }

  #settleDrained(): void {
    if (this.#calls.length > 0) return;
    this.#drained?.resolve();
    this.#drained = undefined;
  }
}
