import type { KeyedCall } from "../call/call_key.ts";
import type { CallChain, Scope } from "../scope/scope.ts";
import type { StoreDescription } from "../store/stores.ts";
import type { Json } from "../call/call_record.ts";

/** What a call says when its body starts, if its context asks for that. */
export const STARTED = "started";

/** What a call says when `console` prints, if its context asks for that. */
export const OUTPUT = "output";

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
  /** Whether the call says when its body starts. */
  readonly announce?: boolean;
  /** Whether the call hands over what `console` prints. */
  readonly output?: boolean;
  /** The calls around this one. */
  readonly chain?: CallChain;
  /** The call, when the worker is to remember it; its values are the arguments of the request. */
  readonly call?: TravellingCall;
}

/** What no context stands for. */
export const NO_CONTEXT: CallContext = { tags: {}, strict: false };

/** What a call is asked to tell. */
export type CallWishes = Pick<CallContext, "announce">;

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
 * @param wishes What the call is asked to tell.
 * @returns Data that structured clone carries; nothing where the scope sets nothing, as copying it
 * would be a good part of what a short call costs.
 */
export function toCallContext(
  scope: Scope,
  call: TravellingCall | undefined,
  wishes?: CallWishes,
): CallContext | undefined {
  const { cache, tags, strict, singleFlight, leaseTimeout, chain } = scope;
  const description = cache?.secretDescription;
  const plain = description === undefined && chain === undefined && !strict && singleFlight &&
    leaseTimeout === Infinity;
  if (plain && wishes === undefined && Object.keys(tags).length === 0) return undefined;
  return {
    tags,
    strict,
    ...wishes,
    ...(!singleFlight && { singleFlight }),
    ...(leaseTimeout !== Infinity && { leaseTimeout }),
    ...(chain !== undefined && { chain }),
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
