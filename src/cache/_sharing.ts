import type { KeyedCall } from "../call/call_key.ts";
import type { CallRecord, Json } from "../call/call_record.ts";
import type { WaitBoard } from "../store/stores.ts";
import { DIGEST_SCHEME } from "../value/digest/digest_value.ts";
import type { Digest } from "../value/value.ts";
import { Flights } from "./_flights.ts";
import { Waits } from "./_waits.ts";

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
export class RunningCalls {
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
