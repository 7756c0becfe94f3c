import type { KeyedCall } from "../call/call_key.ts";
import type { CallChain, Scope } from "../scope/scope.ts";
import type { StoreDescription } from "../store/stores.ts";
import type { Json } from "../call/call_record.ts";

/** What travels with a call beside its arguments: the scope, and the key if it is remembered. */
export interface CallContext {
  /** How to open the scope's cache; absent when there is none, or none that can travel. */
  readonly cache?: StoreDescription;
  /** The scope's tags. */
  readonly tags: { readonly [name: string]: Json };
  /** Whether a fault of the cache is thrown. */
  readonly strict: boolean;
  /** The calls around this one. */
  readonly chain?: CallChain;
  /** The call, when the worker is to remember it; its values are the arguments of the request. */
  readonly call?: Omit<KeyedCall, "values">;
}

/**
 * Makes what travels with a call.
 *
 * @param scope The scope that the call was made in.
 * @param call The call with its key, when it is to be remembered.
 * @returns Data that structured clone carries; nothing where the scope sets nothing, as copying it
 * would be a good part of what a short call costs.
 */
export function toCallContext(scope: Scope, call: KeyedCall | undefined): CallContext | undefined {
  const { cache, tags, strict, chain } = scope;
  const description = cache?.secretDescription;
  const plain = description === undefined && chain === undefined && !strict;
  if (plain && Object.keys(tags).length === 0) return undefined;
  return {
    tags,
    strict,
    ...(chain !== undefined && { chain }),
    ...(description !== undefined && { cache: description }),
    ...(description !== undefined && call !== undefined && { call: withoutValues(call) }),
  };
}

function withoutValues({ values: _, ...call }: KeyedCall): Omit<KeyedCall, "values"> {
  return call;
}
