import type { KeyedCall } from "../call/call_key.ts";
import type { Json } from "../call/call_record.ts";
import type { Found, Lease, MaybePromise } from "../store/stores.ts";
import {
  CancelledError,
  ChangedArgumentError,
  DeadlineError,
  ExecutorShutdownError,
  IndigestibleError,
  UnclonableError,
  WorkerDiedError,
} from "../base/errors.ts";
import type { Digest } from "../value/value.ts";
import type { Recalled } from "./_flights.ts";
import { createSharing, type Sharing } from "./_sharing.ts";
import type { CallName } from "./_wait_graph.ts";
import type { Cache } from "./cache.ts";
import { computeCall, type ComputeOptions } from "./compute_call.ts";
import type { Warn } from "../base/warning.ts";

export type { Recalled } from "./_flights.ts";
export type { CallName } from "./_wait_graph.ts";

/** Who computes a key when several ask for it at once. */
export interface FlightOptions {
  /** Whether one computes and the others wait; if not, each of them computes. */
  readonly singleFlight: boolean;
  /** How long a call waits for another that computes its key, in milliseconds. */
  readonly leaseTimeout: number;
}

const MISS: Found<unknown> = { hit: false };

/** Options of {@linkcode recall}. */
export interface RecallOptions extends FlightOptions {
  /** What the call is named in messages. */
  readonly name: string;
  /**
   * Computes the result and stores it, as {@linkcode computeLeased} does, here or elsewhere.
   * Gives `undefined` when somebody else computes it now.
   */
  readonly attempt: () => Promise<Recalled | undefined>;
  /** Computes the result and stores it, as {@linkcode computeAlone} does, whoever else does so. */
  readonly alone: () => Promise<Recalled>;
  /** The calls that wait for this one, as it is made by their bodies; asked for only by who waits. */
  readonly callers: () => readonly CallName[];
  /** Told of faults of the cache. */
  readonly warn: Warn;
  /** Ends waiting for others with the signal's reason; asked for only by who waits. */
  readonly signal: () => AbortSignal;
  /** Whether the call, or one around it, was given up: what it fails with then is not for others. */
  readonly givenUp: () => boolean;
  /** Whether the caller has just looked, and found nothing: see {@linkcode lookUp}. */
  readonly missed?: boolean;
  /** What goes into the record beside the call itself. */
  readonly metadata: { readonly [name: string]: Json };
}

/**
 * Answers a call: look up, else wait for whoever computes it already, else compute.
 *
 * Within an isolate those who come second share the promise of the first; across isolates and
 * processes the lease of the key decides who computes. A fault of the cache costs a warning, never
 * the result.
 *
 * @param cache The cache.
 * @param call The call.
 * @param options How to compute.
 * @returns The result.
 * @throws {DeadlockError} When the call waits, by way of others, for one of its callers.
 */
export async function recall(
  cache: Cache,
  call: KeyedCall,
  options: RecallOptions,
): Promise<Recalled> {
  const { key } = call;
  for (let look = options.missed !== true;; look = true) {
    const found = look ? await lookUp(cache, key, options) : MISS;
    if (found.hit) return found;
    if (!options.singleFlight) return await computeUnleased(cache, call, options);
    const flight = sharingOf(cache).flights.get(key);
    if (flight === undefined) return await lead(cache, call, options);
    const landed = await waitFor(cache, key, options, (signal) => flight.landing(signal));
    if (landed === "late") return await computeUnleased(cache, call, options);
    if (landed === undefined) continue;
    // A copy of one's own where the cache has it: two callers must not share a mutable result.
    const own = await lookUp(cache, key, options);
    return { value: own.hit ? own.value : landed.value, hit: true };
  }
}

/** Computes without a lease, by which an eviction would be noticed where the body runs. */
async function computeUnleased(
  cache: Cache,
  call: KeyedCall,
  { alone, metadata }: RecallOptions,
): Promise<Recalled> {
  using running = sharingOf(cache).running.begin(call, metadata);
  const recalled = await alone();
  if (running.evicted && recalled.stored === true) await cache.forget(call.key);
  return recalled;
}

function sharingOf(cache: Cache): Sharing {
  return cache.sharing(createSharing);
}

/** Computes as the first of this isolate, for all of it. */
function lead(cache: Cache, call: KeyedCall, options: RecallOptions): Promise<Recalled> {
  const { key } = call;
  const { flights, running } = sharingOf(cache);
  let waits = false;
  const compute = async (): Promise<Recalled> => {
    using _running = running.begin(call, options.metadata);
    for (;;) {
      const recalled = await options.attempt();
      if (recalled !== undefined) return recalled;
      waits = true;
      const changed = await waitFor(cache, key, options, (signal) => {
        return cache.leaseChanged(key, signal);
      });
      waits = false;
      if (changed === "late") return await computeUnleased(cache, call, options);
      const found = await lookUp(cache, key, options);
      if (found.hit) return found;
    }
  };
  // What ends the wait of this call, such as a deadlock with its callers, is not for the others, and
  // neither is what is wrong with its own arguments, nor what became of its own executor.
  const givenUp = (error: unknown) =>
    waits || options.givenUp() || isOfArguments(error) || isOfExecutor(error);
  return flights.run(key, compute, givenUp);
}

/** Whether the body was not run to its end: who waits runs it again, on an executor of its own. */
function isOfExecutor(error: unknown): boolean {
  return error instanceof DeadlineError || error instanceof ExecutorShutdownError ||
    error instanceof CancelledError || error instanceof WorkerDiedError;
}

function isOfArguments(error: unknown): boolean {
  return error instanceof ChangedArgumentError ||
    (error instanceof UnclonableError || error instanceof IndigestibleError) &&
      error.path.startsWith("args");
}

/** Waits for another; gives `"late"` when that takes longer than the call is to wait. */
async function waitFor<T>(
  cache: Cache,
  key: Digest,
  { name, callers, leaseTimeout, signal, warn }: RecallOptions,
  wait: (signal: AbortSignal) => Promise<T>,
): Promise<T | "late"> {
  const calling = callers();
  using waiting = calling.length === 0
    ? undefined
    : sharingOf(cache).waits.begin({ task: name, key }, calling, warn);
  const timeout = leaseTimeout === Infinity ? undefined : AbortSignal.timeout(leaseTimeout);
  const signals = [signal(), waiting?.signal, timeout].filter((one) => one !== undefined);
  const [first = signal()] = signals;
  try {
    return await wait(signals.length === 1 ? first : AbortSignal.any(signals));
  } catch (error) {
    if (timeout === undefined || error !== timeout.reason) throw error;
    warn(
      `Cannot wait longer than ${leaseTimeout} ms for the call of "${name}" that another computes: ` +
        "it runs here too",
    );
    return "late";
  }
}

/**
 * Computes a call under its lease, which is held for just as long as the body runs: whoever waits
 * for it waits for something that makes progress, never for a call in a queue.
 *
 * @param cache The cache.
 * @param call The call.
 * @param body Runs the task's function.
 * @param options Metadata, and who is told of faults.
 * @returns The result, or `undefined` when somebody else computes it now.
 */
export async function computeLeased(
  cache: Cache,
  call: KeyedCall,
  body: (values: readonly unknown[]) => unknown,
  options: ComputeOptions,
): Promise<Recalled | undefined> {
  const faults = { name: call.address.name, warn: options.warn };
  using held = takeLease(cache, call.key, faults);
  if (held === undefined) return undefined;
  // Whoever held the lease since the last look-up has stored the result.
  const found = await lookUp(cache, call.key, faults);
  if (found.hit) return found;
  return await computeCall(cache, call, body, { ...options, lease: held.lease });
}

/**
 * Computes a call although somebody else may compute it too.
 *
 * @param cache The cache.
 * @param call The call.
 * @param body Runs the task's function.
 * @param options Metadata, and who is told of faults.
 * @returns The result.
 */
export async function computeAlone(
  cache: Cache,
  call: KeyedCall,
  body: (values: readonly unknown[]) => unknown,
  options: ComputeOptions,
): Promise<Recalled> {
  return await computeCall(cache, call, body, options);
}

/** Who is told of faults. */
export interface Faults {
  /** What the call is named in messages. */
  readonly name: string;
  /** Told of faults of the cache. */
  readonly warn: Warn;
}

/**
 * Looks a call up; what goes wrong is a miss.
 *
 * @param cache The cache.
 * @param key The key of the call.
 * @param faults Who is told of faults.
 * @returns The result, at once where the cache answers at once.
 */
export function lookUp(cache: Cache, key: Digest, faults: Faults): MaybePromise<Found<unknown>> {
  try {
    const found = cache.lookup(key);
    return found instanceof Promise ? found.catch((error) => miss(error, faults)) : found;
  } catch (error) {
    return miss(error, faults);
  }
}

function miss(error: unknown, { name, warn }: Faults): Found<unknown> {
  warn(`Cannot look up a call of "${name}": it runs instead`, error);
  return MISS;
}

/** A lease, if there are any: when they fail, others may compute the call too. */
interface HeldLease extends Disposable {
  readonly lease: Lease | undefined;
}

/** `undefined` when another holds the lease. */
function takeLease(cache: Cache, key: Digest, { name, warn }: Faults): HeldLease | undefined {
  try {
    const lease = cache.tryLease(key);
    return lease && {
      lease,
      [Symbol.dispose]: () => {
        try {
          lease[Symbol.dispose]();
        } catch (error) {
          // The result is there by now, and must not be lost for this.
          warn(`Cannot free the lease of a call of "${name}": others may wait for it`, error);
        }
      },
    };
  } catch (error) {
    warn(`Cannot lease a call of "${name}": others may compute it too`, error);
    return { lease: undefined, [Symbol.dispose]: () => {} };
  }
}
