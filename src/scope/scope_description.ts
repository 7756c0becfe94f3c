import type { Json } from "../call/call_record.ts";
import type { StoreDescription } from "../store/stores.ts";
import type { Scope } from "./scope.ts";

/** A scope as data that structured clone and JSON carry. */
export interface ScopeDescription {
  /** How to open the scope's cache; absent when there is none, or none that can travel. */
  readonly cache?: StoreDescription;
  /** The scope's tags. */
  readonly tags: { readonly [name: string]: Json };
  /** The scope's metadata, if there is any. */
  readonly metadata?: { readonly [name: string]: Json };
  /** Whether a fault of the cache is thrown. */
  readonly strict: boolean;
  /** Whether calls that are computed already are waited for; they are, if not given. */
  readonly singleFlight?: boolean;
  /** How long they are waited for; without end, if not given. */
  readonly leaseTimeout?: number;
}

/**
 * Describes a scope, so that another isolate can restore it.
 *
 * @param scope The scope.
 * @param cache How to open its cache, if another isolate is to.
 * @returns The description.
 */
export function describeScope(
  { tags, metadata, strict, singleFlight, leaseTimeout }: Scope,
  cache: StoreDescription | undefined,
): ScopeDescription {
  return {
    tags,
    strict,
    ...(metadata !== undefined && { metadata }),
    ...(!singleFlight && { singleFlight }),
    ...(leaseTimeout !== Infinity && { leaseTimeout }),
    ...(cache !== undefined && { cache }),
  };
}

/**
 * What a scope puts into the records of its calls.
 *
 * @param scope The scope.
 * @returns The metadata, the tags among it.
 */
export function toRecordMetadata({ tags, metadata }: Scope): { readonly [name: string]: Json } {
  return { ...metadata, tags };
}
