import type { KeyedCall } from "../../call/call_key.ts";
import type { SourceWitness } from "../../call/module_sources.ts";
import {
  type CallChain,
  describeScope,
  type Scope,
  type ScopeDescription,
} from "../../scope/scope.ts";
import type { Digest } from "../../value/value.ts";
import type { CallRequest, ThrownValue, ValueOrigin } from "../../worker/worker.ts";
import type { TaskReferences } from "./task_arguments.ts";

/** What a call says when its body starts, if its context asks for that. */
export const STARTED = "started";

/** What a call that is remembered says when its body has ended, if it has said that it started. */
export const ENDED = "ended";

/** What a chunk says when items have ended. */
export const ITEMS = "items";

/** What a call says when `console` prints, if its context asks for that. */
export const OUTPUT = "output";

/** What holds for calls on a worker, whatever their scope. */
export interface CallLimits {
  /** How much memory the worker may hold after the call; it tells when it holds more. */
  readonly maxHeapBytes: number;
  /** How many workers the executors beneath the worker may have together; a few, if not given. */
  readonly nestedWorkers?: number;
}

/** Where no result comes from: the worker has not found an argument in the cache, and ran nothing. */
export const LACKS = "lacks";

/** What travels with a call that is to be remembered. */
export interface Remembering {
  /** The call, when the worker is to remember it; its values are the arguments of the request. */
  readonly call?: RemoteCall;
  /** What the worker makes sure of, when the call is remembered where it was made. */
  readonly check?: CallCheck;
  /** Whether there are large views among its arguments, of which the worker makes arrays of their own. */
  readonly lent?: boolean;
  /** The code that its key was made of, until the worker has answered a call of that code. */
  readonly sources?: SourceWitness;
}

/** What travels with a call beside its arguments: the scope, and the key if it is remembered. */
export interface CallContext extends ScopeDescription, Remembering {
  /** Whether the scope sets nothing, and need not be restored. */
  readonly bare?: boolean;
  /** Whether the call says when its body starts. */
  readonly announce?: boolean;
  /** How urgent the call is, and what it calls, if it is more than others. */
  readonly priority?: number;
  /** Whether the call hands over what `console` prints. */
  readonly output?: boolean;
  /** The calls around this one. */
  readonly chain?: CallChain;
  /** How many executors' calls are around this one; none, if not given. */
  readonly depth?: number;
  /** What those of them are known by that run calls in the same isolate, beside the one that runs it. */
  readonly within?: readonly string[];
  /** Which calls around it in this isolate, itself included, have taken something of their executors. */
  readonly holds?: readonly (readonly [owner: string, id: number])[];
  /** What holds for the call, whatever its scope. */
  readonly limits?: CallLimits;
  /** The tasks among the arguments, if there are any. */
  readonly tasks?: TaskReferences;
  /** The arguments that are shared values, by position, where nothing else in them is special. */
  readonly shared?: readonly (readonly [position: number, id: string])[];
  /** The arguments that the worker reads out of the cache of the call, by position. */
  readonly stored?: readonly (readonly [position: number, digest: Digest])[];
  /** What the shared values are known by that stand somewhere else in the arguments. */
  readonly needs?: readonly string[];
  /** Whether there are callbacks among the arguments. */
  readonly callbacks?: boolean;
  /**
   * That this is the `retire` task of the worker, which is not called now, but by the worker after each
   * other call; it has the worker's name, for messages.
   */
  readonly retire?: string;
  /** That the arguments are the items of a chunk, each the argument of a call of its own. */
  readonly chunk?: ChunkContext;
}

/** What makes a request that of a chunk. */
export interface ChunkContext {
  /** After how many milliseconds no other item begins; all do, if not given. */
  readonly slice?: number;
  /** Whether each item is an array of arguments; if not, it is the one argument. */
  readonly spread?: boolean;
  /** The items, instead of the arguments, if all are numbers. */
  readonly numbers?: Float64Array;
  /** For each item what travels with its call when that is to be remembered; absent when none is. */
  readonly remembering?: readonly (Remembering | undefined)[];
}

/** What no context stands for. */
export const NO_CONTEXT: CallContext = { tags: {}, strict: false };

/** What must hold of a call that is remembered where it was made. */
export interface CallCheck {
  /** The digests of arguments that could be others by now, by position. */
  readonly digests: readonly (readonly [position: number, digest: Digest])[];
}

/** What a call is asked to do beside running. */
export type CallFlags = Pick<
  CallContext,
  "announce" | "priority" | "shared" | "stored" | keyof Remembering
>;

/** A call that a worker is to remember. */
export interface RemoteCall extends Omit<KeyedCall, "values"> {
  /** Whether the worker takes the lease of the key first; it does, if not given. */
  readonly leased?: boolean;
}

/**
 * Makes what travels with a call.
 *
 * @param scope The scope that the call was made in.
 * @param flags What the call is asked to do beside running.
 * @returns Data that structured clone carries; nothing where the scope sets nothing, as copying it
 * would be a good part of what a short call costs.
 */
export function toCallContext(scope: Scope, flags?: CallFlags): CallContext | undefined {
  const { cache, tags, metadata, strict, singleFlight, leaseTimeout, chain, nesting } = scope;
  const description = cache?.secretDescription;
  const plain = description === undefined && chain === undefined && !strict && singleFlight &&
    leaseTimeout === Infinity && metadata === undefined && nesting === undefined &&
    scope.outputs === undefined && scope.refresh === undefined &&
    scope.keepFailures === undefined && scope.storeArguments === undefined &&
    scope.collect === undefined;
  const bare = plain && Object.keys(tags).length === 0;
  if (bare) return flags && { tags, strict, bare, ...flags };
  return {
    ...describeScope(scope, description),
    ...flags,
    ...(chain !== undefined && { chain }),
    ...(nesting !== undefined && { depth: nesting.depth }),
  };
}

/** What holds for all calls that one dispatcher brings to workers. */
type DispatchFlags = Pick<CallContext, "limits" | "output" | "announce" | "within" | "holds">;

/**
 * Adds to a call what holds for all calls on its way.
 *
 * @param flags What holds.
 * @returns The same call with it.
 */
export function withFlags(request: CallRequest, flags: DispatchFlags): CallRequest {
  // What `toCallContext` made.
  const context = (request.context ?? NO_CONTEXT) as CallContext;
  return { ...request, context: { ...context, ...flags } satisfies CallContext };
}

/**
 * Gives the code that the key of a call was made of.
 *
 * @returns The sources, if they travel with the call.
 */
export function sourcesOf({ context }: CallRequest): SourceWitness | undefined {
  // What `toCallContext` made.
  return (context as CallContext | undefined)?.sources;
}

/**
 * Leaves the sources out of a call to a worker that knows them.
 *
 * @returns The same call without them.
 */
export function withoutSources(request: CallRequest): CallRequest {
  // What `toCallContext` made, and has sources in it.
  const { sources: _, ...context } = request.context as CallContext;
  return { ...request, context };
}

/**
 * Has others take the place of the sources of a call.
 *
 * @returns The same call with them.
 */
export function withSources(request: CallRequest, sources: SourceWitness): CallRequest {
  // What `toCallContext` made, and has sources in it.
  const context = request.context as CallContext;
  return { ...request, context: { ...context, sources } satisfies CallContext };
}

/**
 * Has a call that is remembered not wait for the lease of its key: an earlier attempt may have it for as
 * long as it runs.
 *
 * @returns The same call without it.
 */
export function withoutLease(request: CallRequest): CallRequest {
  // What `toCallContext` made.
  const context = request.context as CallContext | undefined;
  if (context?.call === undefined) return request;
  return { ...request, context: { ...context, call: { ...context.call, leased: false } } };
}

/**
 * Makes what travels with a chunk.
 *
 * @param context What travels with each of its calls.
 * @param chunk What the chunk needs beside that.
 * @returns Data that structured clone carries.
 */
export function toChunkContext(context: CallContext | undefined, chunk: ChunkContext): CallContext {
  return { tags: {}, strict: false, ...context, chunk };
}

/** Leaves out of a call what travels as the arguments of its request. */
export function toRemoteCall({ values: _, ...call }: KeyedCall, leased: boolean): RemoteCall {
  return leased ? call : { ...call, leased };
}

// What of a chunk travels: many calls of one task in one message to a worker and few back, so that
// short calls do not cost a message each.
//
// The request of a chunk has the items where that of a call has the arguments: each item is the one
// argument of its own call, or all of them. The worker says how they have ended every few milliseconds, and answers when
// it runs no more of them.

/** Items or results: many numbers lie in a buffer, which crosses in a fraction of the time. */
export type ItemValues = readonly unknown[] | Float64Array;

/** A buffer of fewer numbers gains nothing. */
const FEW = 16;

/**
 * Puts numbers into a buffer.
 *
 * @param values Perhaps numbers.
 * @returns The buffer, or `undefined` when there are few, or something else among them.
 */
export function toNumbers(values: readonly unknown[]): Float64Array | undefined {
  if (values.length < FEW) return undefined;
  for (let index = 0; index < values.length; index++) {
    if (typeof values[index] !== "number") return undefined;
  }
  // Each was looked at.
  return new Float64Array(values as readonly number[]);
}

/** How one item failed; the index is that among those that are told of together. */
export type ItemFailure = readonly [index: number, error: ThrownValue];

/**
 * What a chunk says: items in a row have ended, the next that had not. The value of its outcome is the
 * last such word, if there is one.
 */
export interface EndedItems {
  /** What the items returned; `undefined` for those that failed. */
  readonly values: ItemValues;
  /** Those in whose place something else travels, by index, if any. */
  readonly carried?: readonly number[];
  /** Those that failed, if any. */
  readonly failures?: readonly ItemFailure[];
  /** Where each result comes from (see `Outcome`), where calls are remembered. */
  readonly sources?: readonly (ValueOrigin | undefined)[];
}
