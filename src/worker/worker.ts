/**
 * What a worker is: something that runs calls one at a time.
 *
 * @module
 */

/** A kind of worker. */
export type WorkerType = "web" | "inline";

/** The kinds of worker. */
export const WORKER_TYPES: readonly WorkerType[] = ["web", "inline"];

/** How many calls may be on their way to one worker at once. */
export const WORKER_CAPACITY = 1024;

/** One call as it goes to a worker: data that structured clone carries. */
export interface CallRequest {
  /** The URL of the task's module. */
  readonly module: string;
  /** The task's name in its module. */
  readonly task: string;
  /** The arguments. */
  readonly args: readonly unknown[];
  /** What the call needs beside its arguments (scope, key…); the protocol does not look inside. */
  readonly context: unknown;
}

/** A thrown value as data that structured clone carries. */
export interface ThrownValue {
  /** The value in a form that `toThrown()` turns back, class, stack, own fields and cause included. */
  readonly thrown: unknown;
}

/** How a call ended, as data; `duration` is in milliseconds. */
export type Outcome =
  | {
    readonly type: "value";
    readonly value: unknown;
    /** A word from what ran the call to who asked for it; the protocol does not look inside. */
    readonly note?: string;
    readonly duration: number;
    readonly warnings: readonly string[];
    /** How much memory the worker holds, told when that is more than it may: it is replaced. */
    readonly heapBytes?: number;
  }
  | {
    readonly type: "error";
    readonly error: ThrownValue;
    readonly duration: number;
    readonly warnings: readonly string[];
    /** How much memory the worker holds, told when that is more than it may: it is replaced. */
    readonly heapBytes?: number;
  };

/** How a run on a worker ended: an outcome, or the call never started and may go elsewhere. */
export type RunResult = Outcome | { readonly type: "revoked" };

/** Does the work of one call where the worker runs; what a task throws becomes an outcome. */
export type RunCall = (request: CallRequest) => Outcome | Promise<Outcome>;

/** What a worker does beside running calls. */
export interface WorkerHooks {
  /** Lets go of what the calls opened, such as a bag; runs once, after the last call. */
  close?: () => void | Promise<void>;
}

/** A worker of any kind. */
export interface Worker extends AsyncDisposable {
  /** A name for messages, such as `quiver-worker-3`. */
  readonly name: string;
  /**
   * Runs a call after those it was given before. Rejects with `WorkerDiedError` when the worker
   * dies during this call; resolves to `revoked` when it dies, or is closing, before the call
   * started; rejects with `UnclonableError` when an argument cannot be sent, and with `RangeError`
   * when {@linkcode WORKER_CAPACITY} calls are on their way. The worker survives what a task throws.
   */
  run(request: CallRequest): Promise<RunResult>;
  /** Takes back the newest call that has not started, if any: its run resolves to `revoked`. */
  revoke(): boolean;
  /** How many calls were sent and have neither ended nor been taken back. */
  readonly pending: number;
  /** Resolves when the worker is dead, for whatever reason, with the reason; never rejects. */
  readonly dead: Promise<string>;
  /** Lets the calls that were given end, then ends the worker; rejects when its close hook does. */
  close(): Promise<void>;
  /** Ends the worker now, as far as the kind allows; the running call rejects. */
  terminate(): void;
}
