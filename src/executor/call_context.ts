import type { KeyedCall } from "../call/call_key.ts";
import type { CallChain, Scope } from "../scope/scope.ts";
import type { StoreDescription } from "../store/stores.ts";
import type { Json } from "../call/call_record.ts";

/** What holds for calls on a worker, whatever their scope. */
export interface CallLimits {
  /** How much memory the worker may hold after the call; it tells when it holds more. */
  readonly maxHeapBytes: number;
  /** How many workers the executors beneath the worker may have together; a few, if not given. */
  readonly nestedWorkers?: number;
}

/** What travels with a call beside its arguments: the scope, and the key if it is remembered. */
export interface CallContext {
  /** How to open the scope's cache; absent when there is none, or none that can travel. */
  readonly cache?: StoreDescription;
  /** The scope's tags. */
  readonly tags: { readonly [name: string]: Json };
  /** Whether a fault of the cache is thrown. */
  readonly strict: boolean;
  /** Whether calls that are computed already are waited for; they are, if not given. */
  readonly singleFlight?: boolean;
  /** How long they are waited for; without end, if not given. */
  readonly leaseTimeout?: number;
  /** The calls around this one. */
  readonly chain?: CallChain;
  /** How many executors' calls are around this one; none, if not given. */
  readonly depth?: number;
  /** What holds for the call, whatever its scope. */
  readonly limits?: CallLimits;
  /** The call, when the worker is to remember it; its values are the arguments of the request. */
  readonly call?: TravellingCall;
}

/** A call that a worker is to remember. */
export interface TravellingCall extends Omit<KeyedCall, "values"> {
  /** Whether the worker takes the lease of the key first; it does, if not given. */
  readonly leased?: boolean;
}

/**
 * Makes what travels with a call.
 *
 * @param scope The scope that the call was made in.
 * @param call The call with its key, when it is to be remembered.
 * @param limits What holds for the call, whatever its scope.
 * @returns Data that structured clone carries; nothing where the scope sets nothing, as copying it
 * would be a good part of what a short call costs.
 */
export function toCallContext(
  scope: Scope,
  call: TravellingCall | undefined,
  limits: CallLimits | undefined,
): CallContext | undefined {
  const { cache, tags, strict, singleFlight, leaseTimeout, chain, nesting } = scope;
  const description = cache?.secretDescription;
  const plain = description === undefined && chain === undefined && !strict && singleFlight &&
    leaseTimeout === Infinity && limits === undefined && nesting === undefined;
  if (plain && Object.keys(tags).length === 0) return undefined;
  return {
    tags,
    strict,
    ...(!singleFlight && { singleFlight }),
    ...(leaseTimeout !== Infinity && { leaseTimeout }),
    ...(chain !== undefined && { chain }),
    ...(nesting !== undefined && { depth: nesting.depth }),
    ...(limits !== undefined && { limits }),
    ...(description !== undefined && { cache: description }),
    ...(description !== undefined && call !== undefined && { call }),
  };
}

/**
 * Leaves out of a call what travels as the arguments of its request.
 *
 * @param call The call.
 * @param leased Whether the worker takes the lease of the key first.
 * @returns What travels beside the arguments.
 */
export function toTravelling(
  { values: _, ...call }: KeyedCall,
  leased: boolean,
): TravellingCall {
  return leased ? call : { ...call, leased };
}
