import {
  type ArrivalCheck,
  type CancelListener,
  type CancelSignal,
  type SettleListener,
  SettleListeners,
  type Settling,
  settlingSymbol,
  takeSettled,
} from "../base/abortable.ts";
import { CancelledError } from "../base/errors.ts";
import { callSafely, toWarning } from "../base/warning.ts";
import { currentScope } from "../scope/current_scope.ts";
import { type Inspect, inspectSymbol } from "../value/symbols.ts";
import type { Digest } from "../value/value.ts";
import { ageOf, type RecordJudge } from "../cache/cache.ts";
import type { RaisableCall } from "../cache/flights.ts";
import type { CallRecord } from "../call/call_record.ts";
import { takeOver } from "../worker/transfer.ts";
import {
  type CallControl,
  type CallFollower,
  CallProgress,
  type ProgressReport,
} from "../worker/worker.ts";

/** Who waits for the answer to a call. */
interface AnswerListener {
  /** The call has a value. */
  succeed(value: unknown): void;
  /** It has none. */
  fail(reason: unknown): void;
}

/**
 * The answer to a call, on its way to the one who waits for it. A promise for each step of the way
 * would make a call that waits in a queue half as large again, and what waits is copied whenever
 * garbage is collected.
 */
export class CallAnswer {
  /** Who waits; before that, what tells it how the call has ended. */
  #next: AnswerListener | ((listener: AnswerListener) => void) | undefined;

  /**
   * Hands the answer over, now or when it comes.
   *
   * @param listener Who waits for it; there is nobody else.
   */
  give(listener: AnswerListener): void {
    if (typeof this.#next === "function") this.#next(listener);
    else this.#next = listener;
  }

  /**
   * Makes a promise of it, for those who chain calls by promises; this makes it a thenable.
   *
   * @param onFulfilled Told the value.
   * @param onRejected Told why there is none.
   */
  then(onFulfilled: (value: unknown) => void, onRejected: (reason: unknown) => void): void {
    this.give({ succeed: onFulfilled, fail: onRejected });
  }

  /** The call has a value. */
  protected succeed(value: unknown): void {
    if (typeof this.#next === "object") this.#next.succeed(value);
    else this.#next = (listener) => listener.succeed(value);
  }

  /**
   * The call has none.
   *
   * @param reason Why.
   */
  protected fail(reason: unknown): void {
    if (typeof this.#next === "object") this.#next.fail(reason);
    else this.#next = (listener) => listener.fail(reason);
  }
}

export type { RaisableCall } from "../cache/flights.ts";

/** Marks futures: another copy of Quiver has a class of its own. */
const FUTURE = Symbol.for("quiver.future");

/**
 * Finds the call of a future.
 *
 * @param value Perhaps a future.
 * @returns Its call; `undefined` for anything else, futures of another copy of Quiver included.
 */
export function findCall(value: object): CallStatus | undefined {
  return callOf(value);
}

let callOf: (value: object) => CallStatus | undefined;

/**
 * The promise of a call, which also tells where the call stands.
 *
 * @typeParam T What the call returns.
 *
 * @example See whether a result came from the cache
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const half = task(import.meta, (n: number) => n / 2, { name: "half" });
 * await cacheScope({ cache: createMemoryCache() }, async () => {
 *   const first = half(8);
 *   assertEquals(await first, 4);
 *   assertEquals(first.hit, false);
 *   const second = half(8);
 *   assertEquals(await second, 4);
 *   assertEquals(second.hit, true);
 * });
 * ```
 */
export class Future<T> implements Promise<T> {
  readonly #status: CallStatus;

  static {
    Object.defineProperty(this.prototype, FUTURE, { value: true });
    callOf = (value) => #status in value ? value.#status : undefined;
  }

  /**
   * Tells futures by `instanceof`, those of another copy of Quiver included.
   *
   * @param value Perhaps a future.
   * @returns Whether it is one.
   */
  static [Symbol.hasInstance](value: unknown): boolean {
    // A class that extends this one is known by itself.
    if (this !== Future) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === "object" && value !== null && FUTURE in value;
  }

  /**
   * Creates the future of a call. Users get futures from tasks and executors.
   *
   * @param name What the call is named in messages.
   * @param run Runs the call and reports where it stands.
   * @param tracker Keeps count of the call.
   */
  constructor(name: string, run: (status: CallStatus) => T | Promise<T>, tracker?: CallTracker) {
    const status = this.#status = new CallStatus(name, tracker);
    status.source = this;
    try {
      const result = run(status);
      // A body may return a future, which is no instance of Promise.
      if (result instanceof CallAnswer) result.give(status);
      else if (typeof result === "object" && result !== null && "then" in result) {
        Promise.resolve(result).then((value) => status.succeed(value), (e) => status.fail(e));
      } else status.succeed(result);
    } catch (error) {
      status.fail(error);
    }
  }

  /** What the call is named in messages. */
  get name(): string {
    return this.#status.name;
  }

  /** What `Object.prototype.toString` shows. */
  get [Symbol.toStringTag](): string {
    return "Future";
  }

  /** Where the call stands. */
  get state(): "pending" | "running" | "done" | "cancelled" {
    return this.#status.state;
  }

  /** The key of the call, as soon as it is known; calls without a cache have none. */
  get key(): Digest | undefined {
    return this.#status.key;
  }

  /** Whether the result came without running the body here; known once the future is done. */
  get hit(): boolean | undefined {
    return this.#status.hit;
  }

  /**
   * How old the result was when it was given without running the body, in milliseconds: 0 where another
   * call has just computed it. Known once the future is done; absent where the body ran.
   */
  get age(): number | undefined {
    return this.#status.age;
  }

  /** How far the call is, as its task says by `reportProgress()`. */
  get progress(): CallProgress {
    return this.#status.progress;
  }

  /** Aborted when the future is cancelled or aborted. */
  get signal(): AbortSignal {
    return this.#status.signal;
  }

  /**
   * Cancels the call if its body has not started, wherever it waits: also at a worker that was sent it
   * ahead, or that still loads the module of its task.
   *
   * @returns Whether the call is cancelled.
   */
  cancel(): boolean {
    this.#status.cancel();
    return this.state === "cancelled";
  }

  /**
   * Gives the call up, running or not: the future rejects at once, and the signal that the task gets
   * from `currentSignal()` aborts. A body that does not look at it goes on to its end, unseen.
   *
   * @param reason What the future rejects with; a `CancelledError` when left out.
   * @returns Whether this has given the call up; `false` when it had ended.
   */
  abort(reason?: unknown): boolean {
    return this.#status.abort(
      reason ?? new CancelledError(`Cannot finish "${this.name}": the call was aborted`),
    );
  }

  /**
   * Calls a function once when the future has settled, however it did. Unlike `then`, this does not
   * count as handling a failure. What the function throws is warned of, and ends nothing.
   *
   * @param fn Gets the future.
   * @throws {TypeError} When it is no function.
   */
  onDone(fn: (future: Future<T>) => void): void {
    if (typeof fn !== "function") {
      throw new TypeError(`Cannot follow "${this.name}": \`onDone\` takes a function, not ${fn}`);
    }
    const warn = toWarning(currentScope().warn);
    const message = `Cannot tell who follows "${this.name}": what \`onDone\` was given threw`;
    this.#status.onDone(() => callSafely(() => fn(this), (cause) => warn({ message, cause })));
  }

  /**
   * One element of an array that the call returns, as a future of its own. Cancelling that does not
   * cancel the call.
   *
   * @param index The position; negative ones count from the end.
   * @returns The future of the element.
   */
  at(
    this: Future<ArrayLike<unknown> & T>,
    index: number,
  ): Future<T extends ArrayLike<infer E> ? E | undefined : never> {
    type Element = T extends ArrayLike<infer E> ? E | undefined : never;
    return this.#derive(
      `${this.name}.at(${index})`,
      (array) => array[index < 0 ? array.length + index : index] as Element,
    );
  }

  /**
   * One field of an object that the call returns, as a future of its own. Cancelling that does not
   * cancel the call.
   *
   * @typeParam K The field's name.
   * @param field The field's name.
   * @returns The future of the field.
   */
  get<K extends keyof T & string>(field: K): Future<T[K]> {
    return this.#derive(`${this.name}.get("${field}")`, (value) => value[field]);
  }

  /** What `run` gave settles it, and that is of the type `T`. */
  get #promise(): Promise<T> {
    return this.#status.promise as Promise<T>;
  }

  /**
   * What tells that it has settled.
   *
   * @internal
   */
  get [settlingSymbol](): CallStatus {
    return this.#status;
  }

  /**
   * What `console.log` shows: the task, where the call stands, and its value or error.
   *
   * @internal
   */
  [inspectSymbol](inspect: Inspect, options: Deno.InspectOptions): string {
    const { name, state, hit } = this;
    const head = `Future ${JSON.stringify(name)} (${hit === true ? `${state}, hit` : state})`;
    // Deno alone sees what a promise holds without waiting for a turn.
    return inspect(this.#promise, options).replace(/^Promise/, () => head);
  }

  /** As of any promise. */
  then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#status.noteAwaited();
    return this.#promise.then(onFulfilled, onRejected);
  }

  /** As of any promise. */
  catch<B = never>(
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<T | B> {
    this.#status.noteAwaited();
    return this.#promise.catch(onRejected);
  }

  /** As of any promise. */
  finally(onFinally?: (() => void) | null): Promise<T> {
    this.#status.noteAwaited();
    return this.#promise.finally(onFinally);
  }

  /** The future of a part of the result; it fails as this one does, which then counts as handled. */
  #derive<P>(name: string, take: (value: T) => P): Future<P> {
    const run = (status: CallStatus) => {
      status.waitFor(this.#status);
      return takeSettled(this, (value: T) => {
        status.recalled(this.hit === true, this.age);
        return take(value);
      }, status);
    };
    return new Future(name, run, this.#status.tracker?.derived);
  }
}

/** Where a call stands. */
export type FutureState = "pending" | "running" | "done" | "cancelled";

/**
 * What becomes of the worker of a running call that is given up: it is ended, or the call goes on
 * there until its end, and nobody waits for it.
 */
export type OnAbort = "terminate" | "detach";

/** A cancel signal and what aborts it. */
export class CancelSource implements CancelSignal {
  /** Nearly every wait has one listener or none: the set is made for the second. */
  #first: CancelListener | undefined;
  #others: Set<CancelListener> | undefined;
  #aborted: { readonly reason: unknown } | undefined;

  /** Whether the wait is to end. */
  get aborted(): boolean {
    return this.#aborted !== undefined;
  }

  /** Why. */
  get reason(): unknown {
    return this.#aborted?.reason;
  }

  /**
   * Ends the waits; a second call does nothing.
   *
   * @param reason Why.
   */
  abort(reason: unknown): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = { reason };
    const listeners = [this.#first, ...this.#others ?? []];
    this.#first = undefined;
    this.#others = undefined;
    for (const listener of listeners) {
      if (typeof listener === "function") listener();
      else listener?.handleEvent();
    }
  }

  /** Tells a listener when the wait is to end. */
  addEventListener(_type: "abort", listener: CancelListener): void {
    if (this.#first === undefined) this.#first = listener;
    else if (this.#first !== listener) (this.#others ??= new Set()).add(listener);
  }

  /** Tells it no more. */
  removeEventListener(_type: "abort", listener: CancelListener): void {
    if (this.#first === listener) this.#first = undefined;
    else this.#others?.delete(listener);
  }
}

/** A call that is brought to a worker: who brings it knows where it is. */
export interface SentCall {
  /**
   * Makes a promise that rejects with what the call threw on a worker, having added to its stack who awaits
   * the call here.
   *
   * @param error What was thrown.
   * @returns The promise, to resolve the one with that is awaited; nothing when no worker had the call.
   */
  toRejection?(error: Error): Promise<never> | undefined;
  /** Whether its body has begun, as far as that shows by now. */
  readonly begun: boolean;
  /** How often it was run again. */
  readonly retried?: number;
  /** The last that was captured of what it has printed. */
  readonly printed?: string | undefined;
  /** Tells when what its worker has said by now was read, if that can be told. */
  checkArrivals?(): ArrivalCheck;
  /** Lets it be run before others of a lower priority, if it waits. */
  raise(priority: number): void;
  /**
   * Keeps its body from beginning, for one who gives the call up then.
   *
   * @returns Whether it does; `false` when the body has begun.
   */
  cancel(): boolean;
}

/** Who keeps count of calls. */
export interface CallTracker {
  /** What keeps count of what is made of results; its failures count as theirs. */
  readonly derived: CallTracker;
  /** A call is made. */
  began(call: CallStatus): void;
  /** It has ended, however it did: told at once, so that nobody else's code may run here. */
  ended(call: CallStatus): void;
  /** It has failed, and nobody has asked how it ends; told at once, too. */
  failed(call: CallStatus, reason: unknown): void;
  /** Somebody asks how a call has ended that has failed. */
  seen(call: CallStatus): void;
}

/**
 * Who has asked how a call ends: nobody, and whether that was noted when it failed; somebody who is told
 * by it; or somebody with a reaction to its promise.
 */
type Attention = "none" | "noted" | "listener" | "reaction";

function ignore(): void {}

/**
 * A call: written by who runs it, read by its future. One object stands for its promise, for where it
 * stands and for its cancellation: of calls that wait in a queue there may be a million.
 */
export class CallStatus extends CancelSource
  implements CallControl, CallFollower, RecordJudge, Settling {
  /** What the call is named in messages. */
  readonly name: string;
  /** What those await who wait for the call. */
  readonly promise: Promise<unknown>;
  /** What becomes of the worker when the call is given up while it runs. */
  onAbort: OnAbort | undefined;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (reason: unknown) => void;
  /** Keeps count of the call: a failure that nobody asks for is its business, and ends no program. */
  readonly tracker: CallTracker | undefined;
  /** What stands for the call where somebody waits for it: its future, if it has one. */
  source: PromiseLike<unknown>;
  #attention: Attention = "none";
  #listeners: SettleListeners | undefined;
  /** Made when first asked for: most futures are never cancelled, and a controller costs. */
  #controller: AbortController | undefined;
  #observers: (() => void)[] | undefined;
  #progress: CallProgress | undefined;
  #state: FutureState = "pending";
  /** Who brings it to a worker, from when it was handed over until it has ended. */
  #sent: SentCall | undefined;
  #priority = 0;
  /** What it waits for before it can be brought to a worker. */
  #waitsFor: Set<RaisableCall> | undefined;
  #key: Digest | undefined;
  #hit: boolean | undefined;
  #age: number | undefined;

  /**
   * Creates a call that has not started.
   *
   * @param name What the call is named in messages.
   * @param tracker Told when it begins, which is now, and when it has ended.
   */
  constructor(name: string, tracker?: CallTracker) {
    super();
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.name = name;
    this.promise = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.tracker = tracker;
    this.source = promise;
    tracker?.began(this);
  }

  /** Where the call stands. */
  get state(): FutureState {
    return this.#state === "pending" && this.#sent?.begun === true ? "running" : this.#state;
  }

  /** The key of the call, once it is known. */
  get key(): Digest | undefined {
    return this.#key;
  }

  /** Whether the result came without running the body, once that is known. */
  get hit(): boolean | undefined {
    return this.#hit;
  }

  /** How often the call has run, and the last that it has printed, as long as it has not ended. */
  get trace(): { readonly attempts: number; readonly output?: string | undefined } {
    return { attempts: 1 + (this.#sent?.retried ?? 0), output: this.#sent?.printed };
  }

  /** How old the result was when it came without running the body, in milliseconds. */
  get age(): number | undefined {
    return this.#hit === true ? this.#age ?? 0 : undefined;
  }

  /** Takes note of how old a result is that may be given. */
  admits(record: CallRecord): true {
    this.#age = Math.max(0, ageOf(record));
    return true;
  }

  /** Aborted when the future is cancelled or aborted. */
  get cancellation(): CancelSignal {
    return this;
  }

  /** The same as `cancellation`, as a real signal. */
  get signal(): AbortSignal {
    if (this.#controller !== undefined) return this.#controller.signal;
    const controller = this.#controller = new AbortController();
    const abort = () => controller.abort(this.reason);
    if (this.aborted) abort();
    else this.addEventListener("abort", abort);
    return controller.signal;
  }

  /** How far the call is; made when first asked for, or reported. */
  get progress(): CallProgress {
    if (this.#progress === undefined) {
      this.#progress = new CallProgress();
      if (this.#ended) this.#progress.end();
    }
    return this.#progress;
  }

  /** The call says how far it is, here. */
  report(progress: ProgressReport): void {
    if (!this.#ended) this.progress.update(progress);
  }

  /** The call says something here, which only matters where workers are. */
  send(): boolean {
    return false;
  }

  /** The call says something on a worker: as yet, only how far it is. */
  onMessage(kind: string, data: unknown): void {
    // What `CallControl.report()` has sent.
    if (kind === "progress") this.report(data as ProgressReport);
  }

  /** The key is known. */
  keyed(key: Digest): void {
    this.#key = key;
  }

  /** The body starts here: from now on the call can no longer be cancelled. */
  started(): void {
    if (this.#state === "pending") this.#state = "running";
  }

  /**
   * The call is brought to a worker, and can be cancelled until its body begins there.
   *
   * @param call Tells where it is.
   */
  sent(call: SentCall): void {
    if (this.#ended) return;
    this.#sent = call;
    this.#waitsFor = undefined;
  }

  /** Tells when what its worker has said by now was read, if it is at one. */
  checkArrivals(): ArrivalCheck {
    return this.#sent?.checkArrivals?.() ?? (() => true);
  }

  /** Those of a higher priority leave a queue first. */
  get priority(): number {
    return this.#priority;
  }

  /** Says how urgent the call is, before it goes anywhere. */
  set priority(priority: number) {
    this.#priority = priority;
  }

  /** Lets the call, and what it waits for, be run before others of a lower priority. */
  raise(priority: number): void {
    if (priority <= this.#priority || this.#ended) return;
    this.#priority = priority;
    this.#sent?.raise(priority);
    for (const call of this.#waitsFor ?? []) call.raise(priority);
  }

  /**
   * The call waits for another one, which is as urgent then.
   *
   * @param call The other one.
   */
  waitFor(call: RaisableCall): void {
    if (this.#ended) return;
    (this.#waitsFor ??= new Set()).add(call);
    call.raise(this.#priority);
  }

  /** The body did not start after all: somebody else computes the result, and the call waits. */
  waits(): void {
    this.#sent = undefined;
    if (this.#state === "running") this.#state = "pending";
  }

  /**
   * The result is known, and whether it came without running the body.
   *
   * @param age How old it is, in milliseconds; as was noted, if not given.
   */
  recalled(hit: boolean, age: number | undefined = this.#age): void {
    if (this.#state === "cancelled") return;
    this.#hit = hit;
    this.#age = age;
  }

  /** The call has a value. */
  succeed(value: unknown): void {
    if (!this.#end("done")) return;
    // The body has given it to whoever called, who may pass it on more than once.
    if (typeof value === "object") takeOver(value);
    this.#resolve(value);
    if (this.#listeners !== undefined) this.#tell({ status: "fulfilled", value });
  }

  /**
   * The call has none.
   *
   * @param reason Why.
   */
  fail(reason: unknown): void {
    const sent = this.#sent;
    if (!this.#end("done")) return;
    // A reaction more would hide who awaits the call from its stack.
    const attention = this.#attention;
    if (attention === "listener") this.promise.catch(ignore);
    if (attention === "none" && this.tracker !== undefined) {
      this.promise.catch(ignore);
      this.#attention = "noted";
      this.tracker.failed(this, reason);
    }
    const rejection = Error.isError(reason) ? sent?.toRejection?.(reason) : undefined;
    if (rejection === undefined) this.#reject(reason);
    else this.#resolve(rejection);
    if (this.#listeners !== undefined) this.#tell({ status: "rejected", reason });
  }

  /**
   * Cancels the call if its body has not started.
   *
   * @returns Whether this has cancelled it.
   */
  cancel(): boolean {
    if (this.#state !== "pending" || this.#sent?.cancel() === false) return false;
    return this.abort(new CancelledError(`Cannot finish "${this.name}": the call was cancelled`));
  }

  /**
   * Gives the call up, whether its body has started or not.
   *
   * @param reason Why.
   * @returns Whether this has given it up.
   */
  override abort(reason: unknown): boolean {
    if (!this.#end("cancelled")) return false;
    // Whoever gives it up knows: a future that nobody awaits must not end the program for it.
    this.promise.catch(ignore);
    this.#reject(reason);
    super.abort(reason);
    if (this.#listeners !== undefined) this.#tell({ status: "rejected", reason });
    return true;
  }

  /** Somebody has a reaction to the promise. */
  noteAwaited(): void {
    if (this.#attention === "noted") this.tracker?.seen(this);
    this.#attention = "reaction";
  }

  handle(): void {
    if (this.#attention === "reaction" || this.#attention === "listener") return;
    if (this.#attention === "noted") this.tracker?.seen(this);
    this.#attention = "listener";
    if (this.#ended) this.promise.catch(ignore);
  }

  subscribe(listener: SettleListener): void {
    this.handle();
    (this.#listeners ??= new SettleListeners()).add(listener);
    if (!this.#ended) return;
    this.promise.then(
      (value) => this.#tell({ status: "fulfilled", value }),
      (reason) => this.#tell({ status: "rejected", reason }),
    );
  }

  unsubscribe(listener: SettleListener): void {
    this.#listeners?.delete(listener);
  }

  /** Calls a function once when the call has ended, however it did. */
  onDone(fn: () => void): void {
    if (this.#ended) queueMicrotask(fn);
    // A list that grows by push is made for seventeen, and there is nearly always one.
    else if (this.#observers === undefined) this.#observers = [fn];
    else this.#observers.push(fn);
  }

  #tell(outcome: PromiseSettledResult<unknown>): void {
    this.#listeners?.tell(outcome, this.source);
  }

  get #ended(): boolean {
    return this.#state === "done" || this.#state === "cancelled";
  }

  /** Tells whether this has ended the call: it ends once. */
  #end(state: "done" | "cancelled"): boolean {
    if (this.#ended) return false;
    this.#state = state;
    this.#sent = undefined;
    this.#waitsFor = undefined;
    if (state === "done") this.#hit ??= false;
    this.#progress?.end();
    const observers = this.#observers;
    this.#observers = undefined;
    if (observers !== undefined) { for (const fn of observers) queueMicrotask(fn); }
    this.tracker?.ended(this);
    return true;
  }
}
