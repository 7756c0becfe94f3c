import type { Digest } from "../value/encoded_value.ts";
import type { Found, Lease } from "../store/stores.ts";
import type { Recalled } from "./_flights.ts";
import type { Cache } from "./cache.ts";

/** Told once of each thing that went wrong without costing the user the result. */
export type Warn = (message: string, cause?: unknown) => void;

/** Options of {@linkcode recall}. */
export interface RecallOptions<P extends Disposable> {
  /** What the call is named in messages. */
  readonly name: string;
  /** Waits for a place to compute in; taken before the lease, so that leases are never hoarded. */
  readonly admit: () => P | Promise<P>;
  /** Computes the result in that place, and stores it. */
  readonly compute: (place: P) => Promise<unknown>;
  /** Told of faults of the cache. */
  readonly warn: Warn;
  /** Ends waiting for others with the signal's reason; asked for only by who waits. */
  readonly signal: () => AbortSignal;
}

/**
 * Answers a call: look up, else wait for whoever computes it already, else compute.
 *
 * Within an isolate those who come second share the promise of the first; across isolates and
 * processes the lease of the key decides who computes. A fault of the cache costs a warning, never
 * the result.
 *
 * @param cache The cache.
 * @param key The key of the call.
 * @param options How to compute.
 * @returns The result.
 */
export async function recall<P extends Disposable>(
  cache: Cache,
  key: Digest,
  options: RecallOptions<P>,
): Promise<Recalled> {
  for (;;) {
    const found = await lookUp(cache, key, options);
    if (found.hit) return found;
    const flight = cache.flights.get(key);
    if (flight === undefined) {
      return await cache.flights.run(key, () => lead(cache, key, options), options.signal);
    }
    const landed = await flight.landing(options.signal());
    if (landed === undefined) continue;
    // A copy of one's own where the cache has it: two callers must not share a mutable result.
    const own = await lookUp(cache, key, options);
    return { value: own.hit ? own.value : landed.value, hit: true };
  }
}

async function lead<P extends Disposable>(
  cache: Cache,
  key: Digest,
  options: RecallOptions<P>,
): Promise<Recalled> {
  for (;;) {
    using place = await options.admit();
    const lease = takeLease(cache, key, options);
    if (lease === undefined) {
      place[Symbol.dispose]();
      await cache.leaseChanged(key, options.signal());
      const found = await lookUp(cache, key, options);
      if (found.hit) return found;
      continue;
    }
    using _lease = lease;
    // Whoever held the lease between the look-up and now has stored the result.
    const found = await lookUp(cache, key, options);
    if (found.hit) return found;
    return { value: await options.compute(place), hit: false };
  }
}

async function lookUp<P extends Disposable>(
  cache: Cache,
  key: Digest,
  { name, warn }: RecallOptions<P>,
): Promise<Found<unknown>> {
  try {
    return await cache.lookup(key);
  } catch (error) {
    warn(`Cannot look up a call of "${name}": it runs instead`, error);
    return { hit: false };
  }
}

/** `undefined` when another holds the lease; a disposable that does nothing when leases fail. */
function takeLease<P extends Disposable>(
  cache: Cache,
  key: Digest,
  { name, warn }: RecallOptions<P>,
): Lease | undefined {
  try {
    return cache.tryLease(key);
  } catch (error) {
    warn(`Cannot lease a call of "${name}": others may compute it too`, error);
    return { key, [Symbol.dispose]: () => {} };
  }
}
