import type { KeyedCall } from "../call/call_key.ts";
import type { CallRecord, Json } from "../call/call_record.ts";
import { abortable } from "../base/abortable.ts";
import type { WaitBoard } from "../store/stores.ts";
import { capture, copyLarge } from "../value/capture.ts";
import { KEY_SCHEME } from "../call/call_key.ts";
import type { Digest } from "../value/value.ts";
import { Waits } from "./waits.ts";

/**
 * Where the value of a call comes from, and whether the cache has it:
 *
 * - `"cache"`: it was there, and the body did not run for this call
 * - `"computed"`: the body gave it, and the cache has it now
 * - `"unstored"`: the body gave it, and the cache does not have it
 * - `"unfit"`: the body gave it, it is not the result of what the key says, and for nobody else
 * - `"busy"`: there is none, as somebody else computes it now
 */
export type ResultSource = "cache" | "computed" | "unstored" | "unfit" | "busy";

/** How a call was answered. */
export interface CallResult {
  /** The result. */
  readonly value: unknown;
  /** Where it comes from. */
  readonly source: ResultSource;
}

/** A call that may wait in a queue behind others. */
export interface RaisableCall {
  /** Lets it be run before others of a lower priority. */
  raise(priority: number): void;
}

/** The computations of one isolate that are under way, by key: whoever comes second waits. */
export class Flights {
  /** What was given though it has expired, and is computed anew. */
  readonly revalidating: Set<Digest> = new Set();
  readonly #flights = new Map<Digest, Flight>();

  /** Finds the computation of a key. */
  get(key: Digest): Flight | undefined {
    return this.#flights.get(key);
  }

  /** Whoever comes from now on does not wait for the computation of a key that is under way. */
  forget(key: Digest): void {
    this.#flights.delete(key);
  }

  /**
   * Runs a computation, visible to others under its key for as long as it lasts.
   *
   * @param isOwn Whether what it failed with is not for those who wait.
   * @param leader The call that computes.
   */
  run(
    { key, since }: Pick<KeyedCall, "key" | "since">,
    compute: () => Promise<CallResult>,
    isOwn: (error: unknown) => boolean,
    leader: RaisableCall,
  ): Promise<CallResult> {
    const flight = new Flight(compute(), { isOwn, leader, since }, () => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    });
    this.#flights.set(key, flight);
    return flight.result;
  }
}

/** What is known of a computation before it ends. */
interface FlightOptions {
  /** Whether what it failed with is not for those who wait. */
  readonly isOwn: (error: unknown) => boolean;
  /** The call that computes. */
  readonly leader: RaisableCall;
  /** At this or later it begins, if that is known, in milliseconds since 1970. */
  readonly since: number | undefined;
}

/** A computation that is under way. */
class Flight {
  /** What the one who began it gets. */
  readonly result: Promise<CallResult>;
  /** The call that computes. */
  readonly leader: RaisableCall;
  readonly #isOwn: (error: unknown) => boolean;
  readonly #since: number;
  /** What the others get; a copy where the cache has none, as a result may be changed. */
  #shared: CallResult | undefined;
  #waiting = 0;

  constructor(
    computed: Promise<CallResult>,
    { isOwn, leader, since = -Infinity }: FlightOptions,
    ended: () => void,
  ) {
    this.leader = leader;
    this.#isOwn = isOwn;
    this.#since = since;
    this.result = computed.then((result) => {
      ended();
      if (this.#waiting > 0) this.#shared = toShared(result);
      return result;
    }, (error) => {
      ended();
      throw error;
    });
  }

  /**
   * Waits for the computation.
   *
   * @param signal Ends the wait, not the computation.
   * @param since Only a result counts of what began at this or later, in milliseconds since 1970.
   * @returns The result, or `undefined` when it is not for others: whoever waited asks anew.
   */
  async wait(
    signal?: AbortSignal,
    since: number = -Infinity,
  ): Promise<CallResult | undefined> {
    if (this.#since < since) {
      // However it ends.
      await abortable(this.result.then(() => {}, () => {}), signal);
      return undefined;
    }
    this.#waiting++;
    try {
      const { source } = await abortable(this.result, signal);
      const shared = this.#shared;
      return source === "unfit" || shared === undefined ? undefined : toShared(shared);
    } catch (error) {
      if (this.#isOwn(error) && !signal?.aborted) return undefined;
      throw error;
    }
  }
}

function toShared(result: CallResult): CallResult {
  if (result.source === "computed" || result.source === "cache") return result;
  try {
    const [value] = capture([result.value], { large: copyLarge, bare: true }).values;
    return { ...result, value };
  } catch {
    // It has an accessor that throws, and nobody has looked at it yet.
    return result;
  }
}

/** How the calls of one isolate share the work in a cache. */
export class Sharing {
  /** Calls that this isolate is computing now, by key. */
  readonly flights: Flights = new Flights();
  /** Calls that are computed now, here or on workers of this isolate. */
  readonly running: RunningCalls = new RunningCalls();
  /** Calls that wait while the bodies of others wait for them. */
  readonly waits: Waits;

  /**
   * Creates it; nothing runs yet.
   *
   * @param board Tells other isolates what is waited for; absent when no other can hold a lease.
   */
  constructor(board: WaitBoard | undefined) {
    this.waits = new Waits(board);
  }
}

/** The calls of one isolate that are being computed, here or on its workers. */
class RunningCalls {
  readonly #calls = new Set<RunningCall>();

  /** Notes a call, with the metadata of its record, until the note is disposed. */
  begin(call: KeyedCall, metadata: { readonly [name: string]: Json }): RunningCall {
    const running = new RunningCall(call, metadata, this.#calls);
    this.#calls.add(running);
    return running;
  }

  /** Tells the calls with this key that they are to be forgotten. */
  evict(key: Digest): void {
    for (const running of this.#calls) if (running.call.key === key) running.evicted = true;
  }

  /** Finds the keys of calls by what their records would be if they ended now. */
  find(matches: (record: CallRecord) => boolean): Set<Digest> {
    const found = [...this.#calls].filter((running) => matches(running.toRecord()));
    return new Set(found.map(({ call }) => call.key));
  }
}

/** A call whose body runs, or is about to. */
class RunningCall implements Disposable {
  readonly call: KeyedCall;
  /** Whether it was to be forgotten meanwhile: then its result is not recorded. */
  evicted = false;
  readonly #metadata: { readonly [name: string]: Json };
  readonly #all: Set<RunningCall>;

  constructor(
    call: KeyedCall,
    metadata: { readonly [name: string]: Json },
    all: Set<RunningCall>,
  ) {
    this.call = call;
    this.#metadata = metadata;
    this.#all = all;
  }

  toRecord(): CallRecord {
    const { call, call: { args } } = this;
    const metadata = this.#metadata;
    // Nobody can have asked for calls with this result.
    return toRecord(call, { args, result: "", started: Date.now(), duration: 0, metadata });
  }

  [Symbol.dispose](): void {
    this.#all.delete(this);
  }
}

/** What is known only when the body has ended. */
type RecordFields =
  & Pick<CallRecord, "args" | "result" | "metadata">
  & CallTime;

/** Makes the record of a call. */
export function toRecord(
  { key, address: { module, name: task }, version, code, parts, ignored, reads }: KeyedCall,
  fields: RecordFields,
): CallRecord {
  return {
    key,
    scheme: KEY_SCHEME,
    module,
    task,
    ...(version !== undefined && { version }),
    ...(code !== undefined && { code }),
    ...(parts !== undefined && { parts }),
    ...(ignored !== undefined && { ignored }),
    ...(reads !== undefined && { reads: reads.map(({ path: _, called: __, ...read }) => read) }),
    ...fields,
  };
}

/** The least that lies between the ends of two calls, in milliseconds: far more than rounding takes. */
const TICK = 2 ** -10;

/** The same as a part of the time, where a clock says that it is thousands of years later. */
const PRECISION = 2 ** -50;

/** Where the time of an end is further ahead of the wall clock than this, in milliseconds, that is told. */
const MOST_AHEAD = 10;

/** When a body began and how long it took, as its record says it. */
export type CallTime = Pick<CallRecord, "started" | "duration" | "wall">;

/**
 * Tells when calls began and how long they took, so exactly that their ends are in order, those of
 * one millisecond included: the wall clock says which millisecond it is, the steady one goes on
 * between. When the wall clock is set back, later calls end right behind the last one until it has
 * come up again.
 */
class CallClock {
  /** What the steady clock lacks to be the time; kept within what the wall clock says. */
  #origin = performance.timeOrigin;
  #last = 0;

  /**
   * Notes the end of a call.
   *
   * @param begun What the steady clock said when it began.
   * @param since A moment that {@linkcode CallClock.mark} gave before it began, here or in another isolate.
   */
  end(begun: number, since: number = -Infinity): CallTime {
    const before = Date.now();
    const now = performance.now();
    const time = Math.min(Math.max(this.#origin + now, before), Date.now() + 1 - TICK);
    this.#origin = time - now;
    // In nanoseconds, which is what the clock tells: the digits behind are those of a difference.
    const duration = Math.round((now - begun) * 1e6) / 1e6;
    const started = Math.max(time, this.#next) - duration;
    // As whoever reads the record adds it up.
    this.#last = started + duration;
    const ended = Math.max(started, since) + duration;
    const wall = Date.now();
    return {
      started: Math.max(started, since),
      duration,
      ...(ended > wall + MOST_AHEAD && { wall }),
    };
  }

  /**
   * Gives a moment that is later than the begin of each call that has ended on this machine, and no later
   * than that of each call whose end is noted with it.
   */
  mark(): number {
    return this.#last = Math.max(Date.now() + 1, this.#next);
  }

  get #next(): number {
    return this.#last + Math.max(TICK, this.#last * PRECISION);
  }
}

/** One for all that ends in this isolate. */
export const CLOCK: CallClock = new CallClock();
