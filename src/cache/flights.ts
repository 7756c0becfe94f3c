import type { KeyedCall } from "../call/call_key.ts";
import type { CallRecord, Json } from "../call/call_record.ts";
import { abortable } from "../store/memory_stores.ts";
import type { WaitBoard } from "../store/stores.ts";
import { capture, copyLarge } from "../value/capture.ts";
import { DIGEST_SCHEME } from "../value/digest/digest_value.ts";
import type { Digest } from "../value/value.ts";
import { Waits } from "./waits.ts";

/** How a call was answered. */
export interface Recalled {
  /** The result. */
  readonly value: unknown;
  /** Whether it came without running the task's body here. */
  readonly hit: boolean;
  /** Whether the cache has it, as far as whoever computed it knows. */
  readonly stored?: boolean;
  /** Whether it is for nobody else: it is not the result of what the key says. */
  readonly unfit?: boolean;
}

/** A computation that is under way. */
interface Flight {
  /**
   * Waits for the computation.
   *
   * @param signal Ends the wait, not the computation.
   * @returns The result, or `undefined` when whoever began the computation has given it up.
   */
  landing(signal?: AbortSignal): Promise<Recalled | undefined>;
}

/** The computations of one isolate that are under way, by key: whoever comes second waits. */
export class Flights {
  readonly #flights = new Map<Digest, Flight>();

  /**
   * Finds the computation of a key.
   *
   * @param key The key of the call.
   * @returns The flight, or `undefined`.
   */
  get(key: Digest): Flight | undefined {
    return this.#flights.get(key);
  }

  /**
   * Whoever comes from now on does not wait for the computation of a key that is under way.
   *
   * @param key The key of the call.
   */
  forget(key: Digest): void {
    this.#flights.delete(key);
  }

  /**
   * Runs a computation, visible to others under its key for as long as it lasts.
   *
   * @param key The key of the call.
   * @param compute The computation.
   * @param givenUp Whether whoever began it has given it up, or what it failed with is not for others.
   * @returns What the computation returns.
   */
  run(
    key: Digest,
    compute: () => Promise<Recalled>,
    givenUp: (error: unknown) => boolean,
  ): Promise<Recalled> {
    const flight = new LeadFlight(compute(), givenUp, () => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    });
    this.#flights.set(key, flight);
    return flight.result;
  }
}

class LeadFlight implements Flight {
  /** What the one who began it gets. */
  readonly result: Promise<Recalled>;
  readonly #givenUp: (error: unknown) => boolean;
  /** What the others get; a copy where the cache has none, as a result may be changed. */
  #shared: Recalled | undefined;
  #waiting = 0;

  constructor(
    computed: Promise<Recalled>,
    givenUp: (error: unknown) => boolean,
    ended: () => void,
  ) {
    this.#givenUp = givenUp;
    this.result = computed.then((recalled) => {
      ended();
      if (this.#waiting > 0) this.#shared = toShared(recalled);
      return recalled;
    }, (error) => {
      ended();
      throw error;
    });
  }

  async landing(ownSignal?: AbortSignal): Promise<Recalled | undefined> {
    this.#waiting++;
    try {
      const { unfit } = await abortable(this.result, ownSignal);
      const shared = this.#shared;
      return unfit || shared === undefined ? undefined : toShared(shared);
    } catch (error) {
      if (this.#givenUp(error) && !ownSignal?.aborted) return undefined;
      throw error;
    }
  }
}

function toShared(recalled: Recalled): Recalled {
  if (recalled.stored === true || recalled.hit) return recalled;
  try {
    const [value] = capture([recalled.value], { large: copyLarge, bare: true }).values;
    return { ...recalled, value };
  } catch {
    // It has an accessor that throws, and nobody has looked at it yet.
    return recalled;
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

/**
 * Creates what the calls of one isolate share.
 *
 * @param board Tells other isolates what is waited for; absent when no other can hold a lease.
 * @returns What they share; nothing runs yet.
 */
export function createSharing(board: WaitBoard | undefined): Sharing {
  return new Sharing(board);
}

/** A call whose body runs, or is about to. */
export interface RunningCall extends Disposable {
  /** Whether it was to be forgotten meanwhile: then its result is not recorded. */
  readonly evicted: boolean;
}

/** The calls of one isolate that are being computed, here or on its workers. */
class RunningCalls {
  readonly #calls = new Set<Run>();

  /**
   * Notes a call, until that is disposed.
   *
   * @param call The call.
   * @param metadata What goes into its record beside the call itself.
   * @returns The note.
   */
  begin(call: KeyedCall, metadata: { readonly [name: string]: Json }): RunningCall {
    const run = new Run(call, metadata, this.#calls);
    this.#calls.add(run);
    return run;
  }

  /**
   * Tells calls that they are to be forgotten.
   *
   * @param key Those with this key.
   */
  evict(key: Digest): void {
    for (const run of this.#calls) if (run.call.key === key) run.evicted = true;
  }

  /**
   * Finds calls by what their records would be if they ended now.
   *
   * @param matches Tells which are meant.
   * @returns Their keys, each once.
   */
  find(matches: (record: CallRecord) => boolean): Set<Digest> {
    const found = [...this.#calls].filter((run) => matches(run.toRecord()));
    return new Set(found.map(({ call }) => call.key));
  }
}

class Run implements RunningCall {
  readonly call: KeyedCall;
  evicted = false;
  readonly #metadata: { readonly [name: string]: Json };
  readonly #all: Set<Run>;

  constructor(
    call: KeyedCall,
    metadata: { readonly [name: string]: Json },
    all: Set<Run>,
  ) {
    this.call = call;
    this.#metadata = metadata;
    this.#all = all;
  }

  toRecord(): CallRecord {
    const { key, address: { module, name }, version, code, args } = this.call;
    return {
      key,
      scheme: DIGEST_SCHEME,
      module,
      task: name,
      ...(version !== undefined && { version }),
      ...(code !== undefined && { code }),
      args,
      // Nobody can have asked for calls with this result.
      result: "",
      started: Date.now(),
      duration: 0,
      metadata: this.#metadata,
    };
  }

  [Symbol.dispose](): void {
    this.#all.delete(this);
  }
}
