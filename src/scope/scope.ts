import type { Cache } from "../cache/cache.ts";
import type { Warn } from "../cache/recall.ts";
import type { Json } from "../call/call_record.ts";
import type { Digest } from "../value/encoded_value.ts";

/** What went wrong without costing anybody a result. */
export interface QuiverWarning {
  /** What could not be done, and what happened instead. */
  readonly message: string;
  /** The error behind it. */
  readonly cause?: unknown;
}

/** What a scope may set for everything beneath it; what it does not set it inherits. */
export interface ScopeOptions {
  /** Where calls are remembered; `undefined` (given as such) means: not at all. */
  cache?: Cache | undefined;
  /** Goes into the record of every call, beside the tags of outer scopes; never part of a key. */
  tags?: { readonly [name: string]: Json };
  /**
   * Whether a fault of the cache is thrown instead of warned of.
   *
   * @default {false}
   */
  strict?: boolean;
  /** Told of each warning once; by default warnings are written to standard error. */
  onWarning?: (warning: QuiverWarning) => void;
}

/** The keys that are being computed around a call, innermost first. */
export interface CallChain {
  /** The key of the call. */
  readonly key: Digest;
  /** The call around it. */
  readonly outer?: CallChain;
}

/** What holds for the code that runs now. */
export interface Scope {
  /** Where calls are remembered. */
  readonly cache?: Cache;
  /** Goes into the record of every call. */
  readonly tags: { readonly [name: string]: Json };
  /** Whether a fault of the cache is thrown instead of warned of. */
  readonly strict: boolean;
  /**
   * Told of faults; warns once of each, or throws when the scope is strict.
   *
   * @internal
   */
  readonly warn: Warn;
  /**
   * The calls whose bodies run now, around this one.
   *
   * @internal
   */
  readonly chain?: CallChain;
}
