import { WorkerDiedError } from "../../base/errors.ts";
import type { Outcome, ValueOrigin } from "../../worker/worker.ts";
import type { CallStatistics, FinishedCall, ObservedCall } from "../call_options.ts";
import type { EndedItems } from "../wire/call_context.ts";
import type { DispatchedCall } from "./call.ts";
import { LACKS } from "../wire/call_context.ts";
import type { SafeObserver } from "./observer.ts";

/** Counts how the calls of a dispatcher end, at the same cost however many there were. */
export class CallCounters {
  readonly #runTimes = new LatencyHistogram();
  readonly #waitTimes = new LatencyHistogram();
  #completed = 0;
  #failed = 0;
  #retried = 0;

  /**
   * A worker has run a call.
   *
   * @param outcome How the call ended.
   * @param age How long ago it was given to the dispatcher, in milliseconds.
   */
  ran(outcome: Outcome, age: number): void {
    if (outcome.type === "error") this.#failed++;
    else if (hasOnlyLooked(outcome.source)) return;
    else this.#completed++;
    this.#timed(outcome, age, 1);
  }

  /**
   * A worker has run items of a call, which may go on.
   *
   * @param completed How many it has computed.
   * @param failed How many have failed.
   * @param retried How many of those are run once more.
   */
  ranItems(completed: number, failed: number, retried: number): void {
    this.#completed += completed;
    this.#failed += failed - retried;
    this.#retried += retried;
  }

  /**
   * A worker has run what it runs of a call's items.
   *
   * @param count How many those are.
   * @param duration How long they took together, in milliseconds.
   * @param age How long ago the call was given to the dispatcher, in milliseconds.
   */
  timedItems(count: number, duration: number, age: number): void {
    if (count > 0) this.#timed({ duration: duration / count }, age, count);
  }

  /** A call's worker died. */
  died(): void {
    this.#failed++;
  }

  /** A call that has failed is run once more. */
  retried(): void {
    this.#failed--;
    this.#retried++;
  }

  #timed({ duration }: { readonly duration: number }, age: number, count: number): void {
    this.#runTimes.add(duration, count);
    this.#waitTimes.add(age - duration, count);
  }

  /** The counts of this moment. */
  get counts(): CallStatistics {
    const { quantiles: runTime } = this.#runTimes;
    const { quantiles: waitTime } = this.#waitTimes;
    return {
      completed: this.#completed,
      failed: this.#failed,
      retried: this.#retried,
      ...(runTime !== undefined && { runTime }),
      ...(waitTime !== undefined && { waitTime }),
    };
  }
}

/**
 * Whether a worker has computed nothing: elsewhere the result was known already, or somebody computes it.
 *
 * @param source Where the result comes from, if that is told.
 */
export function hasOnlyLooked(source: ValueOrigin | undefined): boolean {
  return source === "cache" || source === "busy" || source === LACKS;
}

/** Bounds of neighbouring buckets differ by the eighth root of 2, 9 %. */
const BUCKETS_PER_OCTAVE = 8;
/** From 1 microsecond to 12 days. */
const OCTAVES = 40;
const MICROSECONDS = 1000;

/**
 * Counts times in buckets whose widths grow with the times, so that quantiles are known to 5 %, at the
 * same cost and in the same memory however many there are.
 */
export class LatencyHistogram {
  readonly #buckets = new Float64Array(BUCKETS_PER_OCTAVE * OCTAVES);
  #count = 0;

  /** Counts a time, perhaps of several. */
  add(time: number, count = 1): void {
    const octave = Math.log2(Math.max(time * MICROSECONDS, 1));
    const bucket = Math.min(Math.round(octave * BUCKETS_PER_OCTAVE), this.#buckets.length - 1);
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + count;
    this.#count += count;
  }

  /** The quantiles of the times; `undefined` when there are none. */
  get quantiles(): CallStatistics["runTime"] {
    if (this.#count === 0) return undefined;
    return { p50: this.#quantile(0.5), p90: this.#quantile(0.9), p99: this.#quantile(0.99) };
  }

  #quantile(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.#count));
    let seen = 0;
    const bucket = this.#buckets.findIndex((count) => (seen += count) >= rank);
    return 2 ** (bucket / BUCKETS_PER_OCTAVE) / MICROSECONDS;
  }
}

/**
 * A clock that is read once for all that happens in one turn of the event loop: to read it takes as long
 * as a good part of a short call.
 */
export class TurnClock {
  #now: number | undefined;
  readonly #forget = (): void => {
    this.#now = undefined;
  };

  /** The time at which this turn, or this part of it, began; in milliseconds. */
  get now(): number {
    if (this.#now !== undefined) return this.#now;
    queueMicrotask(this.#forget);
    return this.#now = performance.now();
  }
}

/** What happens to the calls of a dispatcher: counted, and told to an observer if there is one. */
export class DispatchMetrics {
  /** How the calls have ended. */
  readonly counters = new CallCounters();
  /** What tells how long calls are on their way. */
  readonly clock = new TurnClock();
  readonly #observer: SafeObserver | undefined;
  #lastId = 0;

  /**
   * Begins to count.
   *
   * @param observer Who is told.
   */
  constructor(observer: SafeObserver | undefined) {
    this.#observer = observer;
  }

  /** Gives the id of a new call. */
  nextId(): number {
    return ++this.#lastId;
  }

  /** A call waits for a worker: its items, if it has some, which are known by ids of their own. */
  queued(call: DispatchedCall): void {
    const { items, request: { task } } = call;
    if (items === undefined) return this.#observer?.tell("queued", toObserved(call));
    // Those that were divided from others, or are run again.
    if (items.firstId !== undefined || this.#observer === undefined) return;
    const first = items.firstId = this.#lastId + 1;
    this.#lastId += items.size;
    for (let id = first; id <= this.#lastId; id++) this.#observer.tell("queued", { id, task });
  }

  /** Whether somebody wants to know when a call begins. */
  get followsStarts(): boolean {
    return this.#observer?.has("started") ?? false;
  }

  /** A call's body has begun, or that of the first of its items whose end is not known. */
  begun(call: DispatchedCall): void {
    const isTold = this.#observer !== undefined && call.size > 0 && call.hasBegun;
    if (isTold) this.#started(call, toObserved(call).id);
  }

  /**
   * Items of a call have ended; of the next one that begins its worker tells.
   *
   * @param firstId The id of the first of them.
   */
  itemsEnded(call: DispatchedCall, firstId: number, { values, failures = [] }: EndedItems): void {
    if (this.#observer === undefined) return;
    const failed = new Map(failures);
    const retried = new Map(call.items?.retriedItems);
    for (let index = 0; index < values.length; index++) {
      const id = firstId + index;
      this.#started(call, id);
      const again = retried.get(index);
      if (again === undefined) this.#finished(call, id, failed.has(index) ? "error" : "value");
      else {
        const { task } = call.request;
        this.#observer.tell("retried", { id, task, attempt: toAttempt(call) + 1, error: again });
      }
    }
  }

  #started(call: DispatchedCall, id: number): void {
    if (call.items !== undefined) {
      if (id <= call.toldItem) return;
      call.toldItem = id;
    }
    const { task } = call.request;
    this.#observer?.tell("started", { id, task, worker: call.workerName ?? "" });
  }

  #finished(call: DispatchedCall, id: number, outcome: FinishedCall["outcome"]): void {
    const { request: { task }, since } = call;
    this.#observer?.tell("finished", { id, task, outcome, time: performance.now() - since });
  }

  /** A call has ended, or all of its items that are left. */
  #allFinished(call: DispatchedCall, outcome: FinishedCall["outcome"]): void {
    if (this.#observer === undefined) return;
    const { id } = toObserved(call);
    for (let item = id; item < id + call.size; item++) {
      // What a worker was about when it died has begun; and whoever fails with all others has, too.
      if (outcome !== "dropped" && call.items !== undefined) this.#started(call, item);
      this.#finished(call, item, outcome);
    }
  }

  /** A call that somebody waits for came back from its worker. */
  ran(call: DispatchedCall, outcome: Outcome): void {
    const age = this.clock.now - call.since;
    const { items, sentItems } = call;
    // One that travels alone is a call like any other.
    if (items === undefined || items.alone) return this.counters.ran(outcome, age);
    if (outcome.type === "error") return this.counters.ranItems(0, items.size, 0);
    this.counters.timedItems(sentItems, outcome.duration, age);
  }

  /** A call that somebody waits for failed before it had an outcome. */
  failed(error: unknown): void {
    if (error instanceof WorkerDiedError) this.counters.died();
  }

  /** A call that has failed is run once more. */
  retried(call: DispatchedCall, error: unknown): void {
    this.counters.retried();
    this.#observer?.tell("retried", { ...toObserved(call), attempt: toAttempt(call), error });
  }

  /** A call has its outcome. */
  resolved(call: DispatchedCall, { type }: Outcome): void {
    this.#allFinished(call, type);
  }

  /** A call has none. */
  rejected(call: DispatchedCall, reason: unknown): void {
    const outcome = reason instanceof WorkerDiedError ? "died" : "dropped";
    this.#allFinished(call, outcome);
  }
}

/** What an observer knows a call by, or the first of its items. */
function toObserved({ id, items, request }: DispatchedCall): ObservedCall {
  return { id: items?.firstId ?? id, task: request.task };
}

/** Which attempt at a call comes now. */
function toAttempt({ items, retried }: DispatchedCall): number {
  return (items?.attempts ?? 0) + retried + 1;
}
