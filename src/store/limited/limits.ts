import type { QuiverWarning } from "../../base/warning.ts";
import type { Digest } from "../../value/value.ts";

/** A remembered call, as a policy sees it. */
export interface LimitedCall {
  /** The key of the call. */
  readonly key: Digest;
  /** What its values take, in bytes; those that it shares with other calls included. */
  readonly bytes: number;
  /** When its body ended, in milliseconds since 1970. */
  readonly ended: number;
  /** How long its body took, in milliseconds. */
  readonly duration: number;
  /** When it was last used, by whoever uses the cache, in milliseconds since 1970; computing counts. */
  readonly used: number;
}

/** Options of `limited`: what a cache is limited to. */
export interface LimitOptions {
  /**
   * How many bytes the values of remembered calls may have together; a value that several calls
   * share counts once.
   *
   * @default {Infinity}
   */
  maxBytes?: number;
  /**
   * How many calls are remembered.
   *
   * @default {Infinity}
   */
  maxItems?: number;
  /**
   * For how long a call is remembered after its body has ended, in milliseconds.
   *
   * @default {Infinity}
   */
  maxAge?: number;
  /**
   * Which call goes first: `"lru"` the one that was used least recently, whatever program has used it;
   * `"cost"` the one that took the least time to compute for each byte of its values, so that what is dear
   * and small stays; `"fifo"` the one that was recorded first; `"random"` any. Or a function that gives the
   * key of one of those there are, the least recently used first.
   *
   * @default {"lru"}
   */
  policy?: "lru" | "cost" | "fifo" | "random" | ((calls: Iterable<LimitedCall>) => Digest);
  /**
   * For how long values that no record names are kept when space is given back, in milliseconds:
   * time for whoever stores a value and its record without a lease.
   *
   * @default {2000}
   */
  gracePeriod?: number;
  /** Told when space could not be given back; by default written to standard error. */
  onWarning?: (warning: QuiverWarning) => void;
}
