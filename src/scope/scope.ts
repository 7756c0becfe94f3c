import type { Cache } from "../cache/cache.ts";
import type { QuiverWarning, Warn } from "../base/warning.ts";
import type { Json } from "../call/call_record.ts";
import type { Digest } from "../value/value.ts";
import type { CallControl } from "../worker/worker.ts";
import type { ScopeWorkers, WorkerContextOptions } from "./scope_workers.ts";

/** What a scope may set for everything beneath it; what it does not set it inherits. */
export interface ScopeOptions {
  /** Where calls are remembered; `undefined` (given as such) means: not at all. */
  cache?: Cache | undefined;
  /** Goes into the record of every call, beside the tags of outer scopes; never part of a key. */
  tags?: { readonly [name: string]: Json };
  /**
   * Goes into the record of every call by its own names, beside that of outer scopes; never part of a
   * key. The name `tags` is taken by the tags.
   */
  metadata?: { readonly [name: string]: Json };
  /**
   * Whether a fault of the cache is thrown instead of warned of.
   *
   * @default {false}
   */
  strict?: boolean;
  /**
   * Whether a call that is computed already, here or in another process, is waited for; if not,
   * whoever asks for it computes it.
   *
   * @default {true}
   */
  singleFlight?: boolean;
  /**
   * How long a call waits for another that computes its key, in milliseconds. After that it warns and
   * computes too: a holder that hangs holds up nobody for ever. (One that dies holds up nobody at
   * all, and calls that wait for one another are told so by a `DeadlockError`.)
   *
   * @default {Infinity}
   */
  leaseTimeout?: number;
  /**
   * Workers of the scope's own, for `runInWorker` beneath it in this isolate; they end with the scope,
   * after the calls that run. `undefined` (given as such) means: those of the program.
   */
  workers?: WorkerContextOptions | undefined;
  /** Told of each warning once; by default warnings are written to standard error. */
  onWarning?: (warning: QuiverWarning) => void;
}

/** The calls whose bodies run around some code, innermost first. */
export interface CallChain {
  /** The task's name. */
  readonly task: string;
  /** The key of the call, if it has one. */
  readonly key?: Digest;
  /** The cache in which others may wait for the key; absent when the call runs without its lease. */
  readonly cache?: string;
  /** The call around it. */
  readonly outer?: CallChain;
}

/** The workers that executors may start here, all together. */
export interface WorkerAllowance {
  /** How many are left. */
  readonly left: number;
  /** Takes workers, no more than are left. */
  take(count: number): void;
  /** Gives workers back. */
  give(count: number): void;
}

/** Where code stands beneath executors. */
export interface Nesting {
  /** How many executors' calls are around it. */
  readonly depth: number;
  /** What executors opened here may start. */
  readonly allowance: WorkerAllowance;
}

/** What holds for the code that runs now. */
export interface Scope {
  /** Where calls are remembered. */
  readonly cache?: Cache;
  /** Goes into the record of every call. */
  readonly tags: { readonly [name: string]: Json };
  /** Goes into the record of every call too, if there is any. */
  readonly metadata?: { readonly [name: string]: Json };
  /** Whether a fault of the cache is thrown instead of warned of. */
  readonly strict: boolean;
  /** Whether a call that is computed already is waited for. */
  readonly singleFlight: boolean;
  /** How long a call waits for another that computes its key, in milliseconds. */
  readonly leaseTimeout: number;
  /**
   * The workers of the scope's own.
   *
   * @internal
   */
  readonly workers?: ScopeWorkers;
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
  /**
   * What the innermost of them knows of who waits for it.
   *
   * @internal
   */
  readonly control?: CallControl;
  /**
   * The call that takes what `console` prints, if it is not printed here.
   *
   * @internal
   */
  readonly output?: CallControl;
  /**
   * Where the code stands beneath executors, in a call of one.
   *
   * @internal
   */
  readonly nesting?: Nesting;
}
