import type { ArrivalCheck } from "../base/abortable.ts";
import { NestedExecutorError, type WorkerDeath, WorkerDiedError } from "../base/errors.ts";
import { fromThrown, toThrown } from "../value/codec/thrown_value.ts";
import type { SharedMemory } from "../value/share.ts";
import { CallbackServer } from "./callback_server.ts";
import { currentWorker } from "./current_worker.ts";
import { ResponseWatch, type SilentPhase, type WorkerPhase } from "./response_watch.ts";
import { SentValues } from "./wire/shared_values.ts";
import { isTransferred } from "./transfer.ts";
import {
  CALLBACK,
  type CloseReply,
  type ControlFrame,
  fromAnswerFrame,
  isReportFrame,
  NO_CALL,
  PING,
  type SentClaims,
  SHARE,
  WORKER_CAPACITY,
  type WorkerFrame,
} from "./wire/frames.ts";
import {
  type BegunItems,
  type Callback,
  type CallFollower,
  type CallListener,
  type CallRequest,
  type Cancellation,
  PromisedCall,
  type RunResult,
  type Worker,
  type WorkerEndedBy,
} from "./worker.ts";

/** What a kind of worker has of its own. */
export interface WorkerTransport {
  /** How long the worker may take up nothing that it was sent, in milliseconds. */
  readonly patience: number;
  /**
   * Whether the worker has the memory of this isolate's that is shared.
   *
   * @default {true}
   */
  readonly sharesMemory?: boolean;
  /** Resolves when the worker has ended, in whatever way, and all that it answered was handed over. */
  readonly ended: Promise<WorkerDeath>;
  /**
   * Sends a call.
   *
   * @param once Whether it can be sent only once, as its arguments have gone with it.
   * @throws {UnclonableError} When it cannot be sent; a kind may also tell so later.
   */
  send(slot: number, request: CallRequest, once: boolean): void;
  /**
   * Tells whether the worker can load a module; one that starts now can, where this one cannot. Left out
   * by kinds that load whatever this isolate does.
   *
   * @param module Its URL.
   */
  loads?(module: string): boolean;
  /**
   * Sends something to the call that runs.
   *
   * @throws What structured clone throws when it refuses the frame.
   */
  control(frame: ControlFrame): void;
  /** Runs the close hook; there are no calls any more. */
  close(): Promise<CloseReply>;
  /**
   * Ends the worker, as far as the kind allows.
   *
   * @returns How it died, when it counts as dead at once; otherwise `ended` tells.
   */
  stop(reason: string): WorkerDeath | undefined;
  /** Tells when what the worker has said by now was read. */
  checkArrivals(): ArrivalCheck;
  /** Waits until none of the worker's code runs any more, or until the signal; tells which came. */
  stopped(signal: AbortSignal): Promise<boolean>;
}

/** How long a worker that runs nothing may leave alone what it was sent, in milliseconds. */
export const PATIENCE = 5000;
/** A message is large that took so many milliseconds to write. */
export const LARGE = 50;
/** How many times as long as to write one it may take to read it, on a busy machine. */
export const READING = 10;
/**
 * How long one may read no message before the body of a call has begun, in milliseconds: the module of
 * its task may compute when it is loaded. The same holds before its first answer: what runs calls is
 * loaded then, which takes seconds where many programs start on few processors.
 */
const LOADING_PATIENCE = 30_000;

type State =
  | { readonly state: "open" }
  | { readonly state: "closed"; readonly done: Promise<void> };

/** What workers of all kinds have in common: whether they take calls, and how they come to an end. */
export class BaseWorker implements Worker {
  readonly name: string;
  readonly dead: Promise<string>;
  readonly #calls: SentCalls;
  readonly #kind: WorkerTransport;
  readonly #die: (reason: string) => void;
  readonly #watch: ResponseWatch;
  #endedBy: WorkerEndedBy | undefined;
  #state: State = { state: "open" };
  /** Whether it was told to end. */
  #leaving = false;

  /**
   * Takes over a worker that listens.
   *
   * @param calls What was sent to it; its kind tells how each call ends.
   */
  constructor(name: string, calls: SentCalls, kind: WorkerTransport) {
    this.name = name;
    this.#calls = calls;
    this.#kind = kind;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.dead = promise;
    this.#die = resolve;
    this.#watch = new ResponseWatch(this, (phase) => this.#giveUp(phase));
    void kind.ended.then((death) => this.#fail(death));
    void calls.leaving.then(() => this.#leave("retired"));
  }

  get endedBy(): WorkerEndedBy | undefined {
    return this.#endedBy;
  }

  get room(): number {
    return this.#calls.room;
  }

  /** Whether it has anything to do. */
  get busy(): boolean {
    return this.#leaving || this.#calls.unanswered > 0;
  }

  /** How far it is with the first of what it has to do. */
  get phase(): WorkerPhase {
    if (this.#leaving) return this.#calls.isClosing ? "running" : "waiting";
    return this.#calls.phase;
  }

  /** How often it has answered. */
  get answers(): number {
    return this.#calls.answers;
  }

  /** How long it may be silent in a phase, in milliseconds. */
  patience(phase: SilentPhase): number {
    const patience = this.#kind.patience + this.#calls.readingTime;
    const loads = phase !== "waiting" || this.#calls.answers === 0;
    return loads ? Math.max(patience, LOADING_PATIENCE) : patience;
  }

  /** Asks whether it reads messages, which counts as an answer. */
  ping(): void {
    this.#kind.control([NO_CALL, PING, undefined]);
  }

  /** It runs a call, which may not have been able to say so. */
  noteBegun(): void {
    this.#calls.noteBegun();
  }

  send(request: CallRequest, listener: CallListener): void {
    if (this.#kind.loads?.(request.module) === false) this.#leave("replaced");
    if (this.#state.state !== "open") {
      return queueMicrotask(() => listener.ended({ type: "revoked" }));
    }
    const once = isTransferred(request.args);
    let slot: number;
    try {
      slot = this.#calls.add(request, once, listener);
      if (request.callbacks !== undefined) this.#serve(slot, request.callbacks);
    } catch (error) {
      return queueMicrotask(() => listener.failed(error));
    }
    this.#watch.start();
    try {
      if (request.shared !== undefined) this.#provide(slot, request.shared);
      this.#kind.send(slot, request, once);
    } catch (error) {
      queueMicrotask(() => this.#calls.reject(slot, error));
    }
  }

  run(request: CallRequest, follower?: CallFollower): Promise<RunResult> {
    const call = new PromisedCall(follower);
    this.send(request, call);
    return call.result;
  }

  abort(follower: CallFollower, reason: unknown): void {
    const frame = this.#calls.abort(follower, reason);
    if (frame !== undefined) this.#kind.control(frame);
  }

  revoke(): boolean {
    return this.#calls.revokeNewest();
  }

  cancel(follower: CallFollower): Cancellation {
    return this.#calls.cancel(follower);
  }

  hasBegun(follower: CallFollower): boolean {
    return this.#calls.hasBegun(follower);
  }

  takeItems(follower: CallFollower): BegunItems | undefined {
    return this.#calls.takeItems(follower);
  }

  begunItems(follower: CallFollower): number {
    return this.#calls.begunItems(follower);
  }

  close(): Promise<void> {
    this.#endedBy ??= "closed";
    if (this.#state.state === "open") this.#state = { state: "closed", done: this.#close() };
    return this.#state.done;
  }

  terminate(): void {
    if (this.#state.state === "open") this.#state = { state: "closed", done: this.#died() };
    if (this.#endedBy !== "crashed" && this.#endedBy !== "unresponsive") this.#endedBy = "killed";
    const death = this.#kind.stop("it was terminated");
    if (death !== undefined) this.#fail(death);
  }

  checkArrivals(): ArrivalCheck {
    return this.#kind.checkArrivals();
  }

  stopped(signal: AbortSignal): Promise<boolean> {
    return this.#kind.stopped(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Next to no worker gets shared values. */
  #provide(slot: number, memories: readonly SharedMemory[]): void {
    const kind = this.#kind;
    const sharing = this.#calls.sharing ??= new SentValues(
      (message) => kind.control([NO_CALL, SHARE, message]),
      kind.sharesMemory ?? true,
    );
    sharing.use(slot, memories);
  }

  #serve(slot: number, callbacks: readonly Callback[]): void {
    const answer = (message: unknown) => this.#kind.control([slot, CALLBACK, message]);
    this.#calls.serve(slot, new CallbackServer(callbacks, answer));
  }

  #giveUp(phase: SilentPhase): void {
    this.#endedBy = "unresponsive";
    const time = this.#calls.answers === 0 ? LOADING_PATIENCE : PATIENCE;
    if (this.#state.state === "open") this.#state = { state: "closed", done: this.#died() };
    const silent = `it read no message for ${LOADING_PATIENCE} ms`;
    const reasons = {
      waiting:
        `it took up nothing for ${time} ms: what an earlier call left behind never came back, ` +
        "or its process was stopped",
      preparing: `${silent} before the body of a call had begun: the task's module, or what an ` +
        "earlier call left behind, never came back, or its process was stopped",
      finishing: `${silent} after the body of a call had ended: what an earlier call left behind ` +
        "never came back, or its process was stopped",
    };
    const death = this.#kind.stop(reasons[phase]);
    if (death !== undefined) this.#fail(death);
  }

  /** Nobody has asked for this end; whoever closes the worker is told what went wrong. */
  #leave(reason: "retired" | "replaced"): void {
    this.#endedBy ??= reason;
    void this.close().catch(() => {});
  }

  #fail(death: WorkerDeath): void {
    this.#watch.end();
    this.#calls.sharing?.end();
    const stopped = this.#endedBy === "killed" || this.#endedBy === "unresponsive";
    // Whoever closes a worker waits for its calls.
    if (!stopped && this.#calls.pending) this.#endedBy = "crashed";
    this.#endedBy ??= "crashed";
    if (this.#state.state === "open") this.#state = { state: "closed", done: Promise.resolve() };
    this.#die(death.reason);
    this.#calls.fail(
      this.#endedBy === "killed" ? { ...death, ending: "killed" } : death,
      this.#endedBy === "unresponsive",
    );
  }

  async #died(): Promise<void> {
    await this.dead;
  }

  async #close(): Promise<void> {
    await this.#calls.drained();
    this.#leaving = true;
    this.#watch.start();
    const died = this.dead.then(() => ({ type: "closed" } as const));
    const reply = await Promise.race([this.#kind.close(), died]);
    const death = this.#kind.stop("it was closed");
    if (death !== undefined) this.#fail(death);
    await this.dead;
    if (reply.type === "failed") throw toThrown(reply.error.thrown);
  }
}

/** A call on its way to a worker. */
interface SentCall {
  /** The task's name, for messages. */
  readonly task: string;
  /** Where the claim stands. */
  readonly slot: number;
  /** Who waits for it. */
  readonly listener: CallListener;
  /** Whether it can be sent only once, as its arguments have gone with it. */
  readonly once: boolean;
  /** What its code may call here, until it has ended or is given up. */
  callbacks: CallbackServer | undefined;
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
  /** How long the worker may take to read what calls were sent with, by their slots; seldom any. */
  #reading: Map<number, number> | undefined;
  #answers = 0;
  /** What the calls need beside their arguments, once one needs something. */
  sharing: SentValues | undefined;
  readonly #leaving = Promise.withResolvers<void>();

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

  /** Resolves when the worker runs no more calls, by its own wish. */
  get leaving(): Promise<void> {
    return this.#leaving.promise;
  }

  /** How many more can be sent. */
  get room(): number {
    return this.#slots.length;
  }

  /** Whether there is a call that has neither ended nor been taken back. */
  get pending(): boolean {
    return this.#calls.length > 0;
  }

  /** How many the worker has not answered, those included that were taken back. */
  get unanswered(): number {
    return WORKER_CAPACITY - this.#slots.length;
  }

  /** How often the worker has answered. */
  get answers(): number {
    return this.#answers;
  }

  /** How long the worker may take to read what it has not answered, in milliseconds. */
  get readingTime(): number {
    let sum = 0;
    for (const time of this.#reading?.values() ?? []) sum += time;
    return sum;
  }

  /** How far the worker is with the oldest call. */
  get phase(): WorkerPhase {
    const [oldest] = this.#calls;
    if (oldest === undefined) return this.unanswered > 0 ? "waiting" : "running";
    if (!this.#claims.isClaimed(oldest.slot)) return "waiting";
    if (oldest.listener.follower?.finishing === true) return "finishing";
    return this.#claims.isPreparing(oldest.slot) ? "preparing" : "running";
  }

  /** The oldest call is told that its body has begun, if it has. */
  noteBegun(): void {
    const [oldest] = this.#calls;
    if (oldest !== undefined && this.#claims.hasBegun(oldest.slot)) {
      oldest.listener.follower?.noteBegun?.();
    }
  }

  /** Whether the worker runs its close hook. */
  get isClosing(): boolean {
    return this.#claims.isClosing();
  }

  /**
   * Notes a call that is about to be sent.
   *
   * @param request The call.
   * @param once Whether it can be sent only once.
   * @param listener Who waits for it.
   * @throws {RangeError} When there are too many calls already.
   */
  add({ task, items = 0 }: CallRequest, once: boolean, listener: CallListener): number {
    const slot = this.#slots.pop();
    if (slot === undefined) {
      throw new RangeError(
        `Cannot send "${task}" to worker "${this.#worker}": ${WORKER_CAPACITY} calls are on their way`,
      );
    }
    this.#claims.send(slot, items);
    const call = { task, slot, listener, once, callbacks: undefined };
    this.#sent[slot] = call;
    this.#calls.push(call);
    return slot;
  }

  /**
   * A message with calls is large.
   *
   * @param slot That of one of the calls.
   * @param time How long it takes at most to be read, in milliseconds.
   */
  noteLarge(slot: number, time: number): void {
    if (this.#sent[slot] !== undefined) (this.#reading ??= new Map()).set(slot, time);
  }

  /** Lets a call's code call functions of the caller's. */
  serve(slot: number, callbacks: CallbackServer): void {
    const call = this.#sent[slot];
    if (call !== undefined) call.callbacks = callbacks;
  }

  /**
   * Takes what the worker has posted.
   *
   * @param frame An answer, or what a call says while it runs.
   */
  receive(frame: WorkerFrame): void {
    if (!isReportFrame(frame)) return this.resolve(frame[0], fromAnswerFrame(frame));
    const [slot, , kind, data] = frame;
    if (slot === NO_CALL) return this.#receiveNotice(kind);
    const call = this.#sent[slot];
    if (kind === CALLBACK) call?.callbacks?.receive(data);
    else if (kind === SHARE) this.sharing?.sendWhole(String(data));
    else call?.listener.follower?.onMessage(kind, data);
  }

  /** Takes what the worker says of itself. */
  #receiveNotice(kind: string): void {
    if (kind === PING) this.#answers++;
    else this.#leaving.resolve();
  }

  /**
   * A call that runs is to end.
   *
   * @param follower What stands for the call.
   * @param reason Why.
   * @returns What is to be sent, or `undefined` when the call does not run.
   */
  abort(follower: CallFollower, reason: unknown): ControlFrame | undefined {
    const call = this.#find(follower);
    call?.callbacks?.giveUp();
    if (call === undefined || !this.#claims.abort(call.slot)) return undefined;
    return [call.slot, "abort", fromThrown(reason)];
  }

  /**
   * The items of a call that have not begun are taken back.
   *
   * @param follower What stands for the call.
   * @returns Which have begun; `undefined` when the worker has not come to the call, or is done.
   */
  takeItems(follower: CallFollower): BegunItems | undefined {
    const call = this.#find(follower);
    return call && this.#claims.takeItems(call.slot);
  }

  /** How many items of a call may have begun. */
  begunItems(follower: CallFollower): number {
    const call = this.#find(follower);
    return call === undefined ? 0 : this.#claims.begunItems(call.slot);
  }

  /**
   * The worker has answered; where the call was taken back, this only frees its slot.
   *
   * @param slot Where the call's claim stands.
   * @param result How it ended.
   */
  resolve(slot: number, result: RunResult): void {
    this.#remove(slot)?.listener.ended(result);
  }

  /**
   * The call could not be sent.
   *
   * @param slot Where the call's claim stands.
   * @param error Why.
   */
  reject(slot: number, error: unknown): void {
    this.#remove(slot)?.listener.failed(error);
  }

  /** Takes back the newest call that the worker has not claimed; its listener is told later. */
  revokeNewest(): boolean {
    const newest = this.#calls.at(-1);
    // Calls are claimed in order: when the newest is claimed, all are.
    if (newest === undefined || newest.once || !this.#claims.revoke(newest.slot)) return false;
    this.#calls.pop();
    queueMicrotask(() => newest.listener.ended({ type: "revoked" }));
    this.#settleDrained();
    return true;
  }

  /** Keeps the body of a call from beginning; also one that can be sent only once is not sent again. */
  cancel(follower: CallFollower): Cancellation {
    const call = this.#find(follower);
    if (call === undefined) return "begun";
    if (!this.#claims.revoke(call.slot)) {
      return this.#claims.forestall(call.slot) ? "forestalled" : "begun";
    }
    this.#calls.splice(this.#calls.indexOf(call), 1);
    call.callbacks?.giveUp();
    this.#settleDrained();
    return "withdrawn";
  }

  /** Whether the body of a call has begun. */
  hasBegun(follower: CallFollower): boolean {
    const call = this.#find(follower);
    return call !== undefined && this.#claims.hasBegun(call.slot);
  }

  /**
   * The worker is dead: the call that it had claimed fails, and those that can be sent only once; the
   * others may go elsewhere.
   *
   * @param spare Whether the claimed one may go elsewhere, too, if its body has not begun.
   */
  fail(death: WorkerDeath, spare: boolean): void {
    const calls = this.#calls;
    this.#calls = [];
    // Each goes before those that came back before it.
    for (const { task, slot, listener, once, callbacks } of calls.reverse()) {
      callbacks?.giveUp();
      const idle = !once && (this.#claims.revoke(slot) || spare && this.#claims.forestall(slot));
      if (idle) {
        queueMicrotask(() => listener.ended({ type: "revoked" }));
        continue;
      }
      const begun = this.#claims.takeItems(slot);
      // Code that outlives its worker can still see that it is to end.
      this.#claims.abort(slot);
      const message = `Cannot finish "${task}": worker "${this.#worker}" ended: ${death.reason}`;
      const error = new WorkerDiedError(message, death);
      queueMicrotask(() => listener.failed(error, begun));
    }
    this.#settleDrained();
  }

  /** Resolves as soon as there are no calls. */
  drained(): Promise<void> {
    if (this.#calls.length === 0) return Promise.resolve();
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  #find(follower: CallFollower): SentCall | undefined {
    return this.#calls.find(({ listener }) => listener.follower === follower);
  }

  /** Frees a slot; gives the call in it that has neither ended nor been taken back, if there is one. */
  #remove(slot: number): SentCall | undefined {
    const call = this.#sent[slot];
    if (call === undefined) return undefined;
    this.#sent[slot] = undefined;
    this.#reading?.delete(slot);
    this.#slots.push(slot);
    this.#answers++;
    call.callbacks?.end();
    this.sharing?.done(slot);
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

/**
 * Refuses to start a worker while a worker imports the module of a task.
 *
 * @throws {NestedExecutorError} With the remedy.
 */
export function refuseNesting(): void {
  const importing = currentWorker()?.importing;
  if (importing === undefined) return;
  throw new NestedExecutorError(
    `Cannot start a worker while a worker imports "${importing}": the module starts workers at ` +
      "its top level; put its main part under `if (import.meta.main)`",
  );
}
