import { pollWhenRead } from "../base/abortable.ts";
import { importLater } from "../base/lazy_import.ts";
import {
  type AnswerFrame,
  CALLBACK,
  type CallFrame,
  type CloseReply,
  type ControlFrame,
  fromAnswerFrame,
  fromCallFrame,
  isControlFrame,
  LEAVE,
  NO_WARNINGS,
  type ParentFrame,
  PING,
  type ReportFrame,
  type ServedClaims,
  SHARE,
  type SmallAnswers,
  toAnswerFrame,
} from "./wire/frames.ts";
import type { SharedMessage } from "./wire/shared_values.ts";
import type {
  CallbackListener,
  CallControl,
  CallRequest,
  Outcome,
  ProgressReport,
  RunCall,
  RunResult,
  ThrownValue,
  WorkerHooks,
} from "./worker.ts";

type Thrown = typeof import("../value/codec/thrown_value.ts");

/** What a worker shares with its parent. */
interface SharedWithParent {
  /** Who owns which call. */
  readonly claims: ServedClaims;
  /** Small answers. */
  readonly ring: SmallAnswers;
}

const REVOKED: RunResult = { type: "revoked" };

/** The worker's side of calls: runs them one at a time, in the order they were sent. */
export class ServedCalls implements CallChannel {
  readonly #runCall: RunCall;
  readonly #claims: ServedClaims;
  readonly #ring: SmallAnswers;
  readonly #send: (frame: AnswerFrame) => void;
  readonly #sendNow: (frame: ReportFrame) => void;
  readonly #hooks: WorkerHooks;
  readonly #waiting: CallFrame[] = [];
  #serving = false;
  /** Whether calls are given back, as far as they can be sent elsewhere. */
  #leaving = false;
  /** The call that runs; kept until the next one does. */
  #running: ServedCall | undefined;
  #answered: () => void = () => {};

  /**
   * Creates an empty list.
   *
   * @param runCall Does the work of one call.
   * @param shared What is shared with the parent.
   * @param send Posts an answer that is not small.
   * @param sendNow Posts a report before it returns, as the code that reports may never await; throws
   * when structured clone refuses it.
   * @param hooks What else the worker does.
   */
  constructor(
    runCall: RunCall,
    { claims, ring }: SharedWithParent,
    send: (frame: AnswerFrame) => void,
    sendNow: (frame: ReportFrame) => void,
    hooks: WorkerHooks,
  ) {
    this.#runCall = runCall;
    this.#claims = claims;
    this.#ring = ring;
    this.#send = send;
    this.#sendNow = sendNow;
    this.#hooks = hooks;
  }

  /**
   * Takes what was sent.
   *
   * @param frame A call, or the end of one.
   */
  receive(frame: ParentFrame): void {
    if (isControlFrame(frame)) return this.#control(frame);
    this.#waiting.push(frame);
    if (!this.#serving) void this.#serve();
  }

  isAborted(slot: number): boolean {
    return this.#claims.isAborted(slot);
  }

  begin(slot: number): boolean {
    return this.#claims.begin(slot);
  }

  beginItem(slot: number): boolean {
    return this.#claims.beginItem(slot);
  }

  awaitItem(slot: number): void {
    this.#claims.awaitItem(slot);
  }

  /** No item counts as begun that has not: this isolate may end. */
  settleItems(): void {
    if (this.#running !== undefined && this.#serving) this.#claims.awaitItem(this.#running.slot);
  }

  send(slot: number, kind: string, data: unknown): void {
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
      const slot = frame[0];
      const request = fromCallFrame(frame);
      const kept = !this.#leaving || frame[5] === true;
      const begins = kept && (this.#hooks.beginsAtOnce?.(request) ?? true);
      if (!this.#claims.claim(slot, begins) || !kept) {
        if (!this.#ring.write(slot, REVOKED)) await this.#post(slot, REVOKED);
        continue;
      }
      const call = this.#running = new ServedCall(slot, this, begins);
      const result = await runToOutcome(this.#runCall, request, call);
      // What is posted keeps its order: an answer in the ring would overtake the call's reports.
      if (call.end() || !this.#ring.write(slot, result)) await this.#post(slot, result);
      const leaves = this.#hooks.afterCall?.(request) ?? false;
      if (leaves !== false && await leaves) this.#leave();
    }
    this.#serving = false;
  }

  #control([slot, type, data]: ControlFrame): void {
    if (type === PING) return this.#sendNow([slot, "report", PING, undefined]);
    // What `SentValues` has made.
    if (type === SHARE) return this.#hooks.takeShared?.(data as SharedMessage);
    // Any other call in the slot has ended meanwhile.
    if (this.#running?.slot !== slot) return;
    if (type === CALLBACK) this.#running.answer(data);
    else void this.#abort(this.#running, data);
  }

  /**
   * The answer is posted before the next call is claimed, so that neither a long call nor the worker's
   * death can hold back or lose a result that is there.
   */
  #post(slot: number, result: RunResult): Promise<void> {
    const answered = new Promise<void>((resolve) => this.#answered = resolve);
    this.#send(toAnswerFrame(slot, result));
    return answered;
  }

  #leave(): void {
    this.#leaving = true;
    this.#sendNow(LEAVE);
  }

  async #abort(call: ServedCall, reason: unknown): Promise<void> {
    const { toThrown } = await importLater<Thrown>("thrown");
    call.abort(toThrown(reason));
  }
}

/** What connects a call that runs with its parent. */
export interface CallChannel {
  /** Whether the parent has told the call to end, though the message may not be read yet. */
  isAborted(slot: number): boolean;
  /** The body begins; `false` when the parent has given the call up. */
  begin(slot: number): boolean;
  /** The next item of the call begins; `false` when the parent has taken it back. */
  beginItem(slot: number): boolean;
  /** The item that has begun takes its time. */
  awaitItem(slot: number): void;
  /** Says something to the parent, before it returns; throws when structured clone refuses it. */
  send(slot: number, kind: string, data: unknown): void;
}

/** A call that runs, as its code sees it; what few calls use is made when they do. */
export class ServedCall implements CallControl {
  /** What stands for the call. */
  readonly slot: number;
  readonly #line: CallChannel;
  #controller: AbortController | undefined;
  #aborted: { readonly reason: unknown } | undefined;
  #pace: ReportThrottle | undefined;
  #listener: CallbackListener | undefined;
  #told = false;
  #ended = false;
  #begun: boolean;

  /**
   * Creates a call that the worker has just claimed.
   *
   * @param slot What stands for it.
   * @param line Leads to its parent.
   * @param begun Whether its body begins now.
   */
  constructor(slot: number, line: CallChannel, begun: boolean) {
    this.slot = slot;
    this.#line = line;
    this.#begun = begun;
  }

  begin(): boolean {
    this.#begun ||= this.#line.begin(this.slot);
    if (!this.#begun) this.abort(toGivenUp());
    return this.#begun;
  }

  get aborted(): boolean {
    this.#poll();
    return this.#aborted !== undefined;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason);
      else pollWhenRead(this.#controller.signal, () => this.#poll());
    }
    return this.#controller.signal;
  }

  beginItem(): boolean {
    return this.#line.beginItem(this.slot);
  }

  awaitItem(): void {
    this.#line.awaitItem(this.slot);
  }

  report(progress: ProgressReport): void {
    if (this.#ended) return;
    this.#pace ??= new ReportThrottle((latest) => this.#tell(latest));
    this.#pace.add(progress);
  }

  #tell(progress: ProgressReport): void {
    try {
      this.send("progress", progress);
    } catch {
      // Structured clone refuses it: a report is no reason for its call to fail.
      this.send("progress", undefined);
    }
  }

  send(kind: string, data: unknown): boolean {
    if (this.#ended) return false;
    this.#told = true;
    this.#line.send(this.slot, kind, data);
    return true;
  }

  listen(listener: CallbackListener): void {
    this.#listener = listener;
    if (this.#aborted !== undefined) listener.ended(this.#aborted.reason);
  }

  /** A callback has answered. */
  answer(message: unknown): void {
    if (!this.#ended) this.#listener?.answered(message);
  }

  /**
   * The call is to end.
   *
   * @param reason Why.
   */
  abort(reason: unknown): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = { reason };
    this.#listener?.ended(reason);
    this.#controller?.abort(reason);
  }

  /**
   * The call has ended: what its code leaves behind says nothing any more.
   *
   * @returns Whether it has said anything.
   */
  end(): boolean {
    this.#pace?.end();
    this.#ended = true;
    this.#listener?.ended(new DOMException("The call has ended", "AbortError"));
    return this.#told;
  }

  /** Code that never awaits reads no messages: it learns of the abort, but not why. */
  #poll(): void {
    if (this.#aborted !== undefined || this.#ended || !this.#line.isAborted(this.slot)) return;
    this.abort(toGivenUp());
  }
}

function toGivenUp(): DOMException {
  return new DOMException("The call was given up", "AbortError");
}

/** How many milliseconds lie between two messages at least. */
const INTERVAL = 10;

/** Passes on the latest of many reports: a call that reports a million times sends few messages. */
class ReportThrottle {
  readonly #send: (progress: ProgressReport) => void;
  #last = -Infinity;
  #held: ProgressReport | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Creates the pace of one call.
   *
   * @param send Sends a message.
   */
  constructor(send: (progress: ProgressReport) => void) {
    this.#send = send;
  }

  /**
   * Takes a report: it goes at once if the last one is long ago, else with the next.
   *
   * @param progress The report; what it leaves out stays as it was.
   */
  add(progress: ProgressReport): void {
    this.#held = { ...this.#held, ...progress };
    // Looked at each time, because no timer fires in code that never awaits.
    const wait = this.#last + INTERVAL - performance.now();
    if (wait <= 0) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), wait);
  }

  /** The call has ended: its last word goes now. */
  end(): void {
    this.#flush();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    this.#last = performance.now();
    this.#send(held);
  }
}

/**
 * Runs a call so that it always ends as data, even when what runs it throws, which then counts as no
 * time of the call's.
 *
 * @param runCall Does the work.
 * @param control What the call's code knows of who waits for it.
 * @returns How the call ended: at once where its code did not wait for anything.
 */
export function runToOutcome(
  runCall: RunCall,
  request: CallRequest,
  control: CallControl,
): Outcome | Promise<Outcome> {
  try {
    const outcome = runCall(request, control);
    return outcome instanceof Promise ? outcome.catch(toFailed) : outcome;
  } catch (error) {
    return toFailed(error);
  }
}

async function toFailed(error: unknown): Promise<Outcome> {
  return { type: "error", error: await toThrownValue(error), duration: 0, warnings: NO_WARNINGS };
}

/**
 * Makes the outcome of a call whose result structured clone refused.
 *
 * @param outcome The outcome with the result.
 * @param cause What structured clone threw.
 * @returns The outcome that goes back instead.
 */
export async function toRefusedOutcome(outcome: Outcome, cause: unknown): Promise<Outcome> {
  const { toResultError } = await importLater<typeof import("./wire/unclonable.ts")>("unclonable");
  const value = outcome.type === "value" ? outcome.value : outcome.error;
  let error: unknown;
  try {
    error = toResultError(value, cause);
  } catch (thrown) {
    // The result has a getter that throws: structured clone met it first, and so it is the reason.
    error = thrown;
  }
  const { duration, warnings } = outcome;
  return { type: "error", error: await toThrownValue(error), duration, warnings };
}

/**
 * Makes what was thrown data.
 *
 * @param error What was thrown.
 */
export async function toThrownValue(error: unknown): Promise<ThrownValue> {
  const { fromThrown } = await importLater<Thrown>("thrown");
  return { thrown: fromThrown(error) };
}

/**
 * Runs what a worker does at its end.
 *
 * @param hooks What the worker does beside running calls.
 * @returns How that ended.
 */
export async function runCloseHook(hooks: WorkerHooks): Promise<CloseReply> {
  try {
    await hooks.close?.();
    return { type: "closed" };
  } catch (error) {
    return { type: "failed", error: await toThrownValue(error) };
  }
}
