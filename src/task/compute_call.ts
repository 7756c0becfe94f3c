/**
 * How a call that is remembered is computed, here and in workers: under its lease or not, with what is
 * collected and noted of it for its record.
 *
 * @module
 */
import { DeadlockError } from "../base/errors.ts";
import { importLater } from "../base/lazy_import.ts";
import type { Cache } from "../cache/cache.ts";
import {
  type CallName,
  type CallResult,
  computeLeased,
  type ComputeOptions,
  computeUnleased,
  type RunBody,
} from "../cache/get_or_compute.ts";
import type { KeyedCall } from "../call/call_key.ts";
import type { Json } from "../call/call_record.ts";
import {
  type CallChain,
  type CallNotes,
  isFunctionOfHere,
  type Scope,
  type ScopeCollector,
} from "../scope/scope.ts";
import { whenSettled } from "../store/memory_stores.ts";
import type { MaybePromise } from "../store/stores.ts";
import type { Digest } from "../value/value.ts";
import type { Collection } from "./collect.ts";
import type { TaskDefinition } from "./definition.ts";

type Collecting = typeof import("./collect.ts");

/** There as soon as a call was made in a scope that collects something. */
let collecting: Collecting | undefined;

/** A call that is to be computed. */
export interface ComputedCall {
  /** The task. */
  readonly definition: TaskDefinition;
  /** The scope that the call was made in. */
  readonly scope: Scope;
  /** The call with its key. */
  readonly call: KeyedCall;
  /** Whether it is computed under the lease of its key; if not, others may compute it too. */
  readonly leased: boolean;
  /** Takes what is noted of it while its body runs in this isolate. */
  readonly notes: CallNotes;
}

/** How a call is computed. */
export interface ComputeCallOptions
  extends Pick<ComputeOptions, "take" | "refuse" | "fix" | "thorough"> {
  /** What was noted of the call, where its body runs elsewhere: asked once that has ended. */
  readonly noted?: (() => CallNotes | undefined) | undefined;
}

/**
 * Computes a call and stores its result, with what its scope collects of it.
 *
 * @param body Runs the task's function.
 * @returns The result; its source is `"busy"` when somebody else computes it now.
 */
export function computeCall(
  cache: Cache,
  { definition, scope, call, leased, notes }: ComputedCall,
  body: RunBody,
  { noted, ...options }: ComputeCallOptions,
): Promise<CallResult> {
  const { warn, outputs } = scope;
  const compute = leased ? computeLeased : computeUnleased;
  const computeWith = (collection: Collection | undefined) =>
    compute(cache, call, collection?.around(body) ?? body, {
      ...options,
      ...{ warn, outputs, validity: definition.validity },
      storeArguments: definition.storeArguments ?? scope.storeArguments,
      metadata: () =>
        whenSettled(collection?.ended, () => toMetadata(scope, mergeNotes(notes, noted?.()))),
    });
  // What others can find is asked where the body runs.
  const collect = noted === undefined ? scope.collect : scope.collect?.filter(isFunctionOfHere);
  const collection = openCollection(collect, { definition, scope, notes });
  return collection instanceof Promise ? collection.then(computeWith) : computeWith(collection);
}

/** Of which call something is collected, and what takes it. */
export type CollectedFrom = Pick<ComputedCall, "definition" | "scope" | "notes">;

/**
 * Finds what collects something of a call. A fault there costs no result.
 *
 * @param collect The collectors, if there are any.
 * @returns What is to be around the body; at once where all collectors are at hand, or there are none.
 */
export function openCollection(
  collect: readonly ScopeCollector[] | undefined,
  call: CollectedFrom,
): MaybePromise<Collection | undefined> {
  if (collect === undefined || collect.length === 0) return undefined;
  return collecting?.Collection.open(collect, call) ?? collectLater(collect, call);
}

async function collectLater(
  collect: readonly ScopeCollector[],
  call: CollectedFrom,
): Promise<Collection | undefined> {
  try {
    const { Collection } = collecting = await importLater<Collecting>("collect");
    return await Collection.open(collect, call);
  } catch (cause) {
    call.scope.warn("Cannot collect anything of calls: they are recorded without", cause, false);
    return undefined;
  }
}

function mergeNotes(here: CallNotes, there: CallNotes | undefined): CallNotes {
  if (there === undefined) return here;
  return { ...there, collected: { ...there.collected, ...here.collected } };
}

/**
 * What a scope puts into the records of its calls.
 *
 * @returns The metadata, the tags among it.
 */
export function toRecordMetadata({ tags, metadata }: Scope): { readonly [name: string]: Json } {
  return { ...metadata, tags };
}

/** What goes into the record of a call beside the call itself, once it has run. */
function toMetadata(
  scope: Scope,
  { annotations, made, more, collected }: CallNotes,
): { readonly [name: string]: Json } {
  const [by] = callsAround(scope.chain);
  const hasCalls = by !== undefined || made !== undefined;
  return {
    ...toRecordMetadata(scope),
    ...collected,
    ...(annotations !== undefined && { annotations }),
    ...(hasCalls && {
      calls: {
        ...(by !== undefined && { by: by.key }),
        ...(made !== undefined && { made }),
        ...(more !== undefined && { more }),
      },
    }),
  };
}

/** So many of the calls that a call has made are named in its record. */
const MOST_CALLS = 100;

/** Notes that the body of a call has made another one. */
export function noteCall(notes: CallNotes, key: Digest): void {
  let recorded = notes;
  while (recorded.around !== undefined) recorded = recorded.around;
  const made = recorded.made ??= [];
  if (made.includes(key)) return;
  if (made.length < MOST_CALLS) made.push(key);
  else recorded.more = (recorded.more ?? 0) + 1;
}

/** A call around another one, which has a key. */
interface CallAround extends CallName {
  /** The cache in which others may wait for it, if they may. */
  readonly cache: string | undefined;
}

/** The calls of a chain that have keys, innermost first. */
function callsAround(chain: CallChain | undefined): CallAround[] {
  const calls: CallAround[] = [];
  for (let link = chain; link !== undefined; link = link.outer) {
    const { task, key, cache } = link;
    if (key !== undefined) calls.push({ task, key, cache });
  }
  return calls;
}

/**
 * Refuses a call that is made, directly or not, by the body that computes the same call: each would
 * wait for the other.
 *
 * @param name What the call is named in errors.
 * @param key The key of the call.
 * @param chain The calls around it.
 * @throws {DeadlockError} When the call waits for itself.
 */
export function refuseRecursion(name: string, key: Digest, chain: CallChain): void {
  const around = callsAround(chain);
  const index = around.findIndex((call) => call.key === key);
  if (index < 0) return;
  const inner = around.slice(0, index + 1).reverse().map(({ task, key }) => ({ task, key }));
  throw new DeadlockError(`Cannot call "${name}"`, inner);
}

/**
 * Finds the calls that others may wait for, and that cannot go on while a call made by their bodies
 * waits.
 *
 * @param chain The calls around the one that waits.
 * @param cache The cache that it waits in; what others wait for in another cache is another call.
 * @returns The calls, innermost first.
 */
export function findCallers(chain: CallChain | undefined, cache: string): CallName[] {
  return callsAround(chain)
    .filter((call) => call.cache === cache)
    .map(({ task, key }) => ({ task, key }));
}
