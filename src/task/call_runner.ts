import type { Cache } from "../cache/cache.ts";
import type { Recalled } from "../cache/recall.ts";
import type { KeyedCall } from "../call/call_key.ts";
import type { Scope } from "../scope/scope.ts";
import type { FrozenArguments } from "./call_arguments.ts";
import type { CallStatus } from "./future.ts";
import type { TaskDefinition } from "./definition.ts";

/** A call whose futures have been awaited. */
export interface ReadyCall {
  /** The task. */
  readonly definition: TaskDefinition;
  /** The scope that the call was made in. */
  readonly scope: Scope;
  /** The arguments. */
  readonly args: readonly unknown[];
  /** The same as they were when the call was made, if that matters and they might change. */
  readonly frozen?: FrozenArguments;
  /** Told when the body starts; its cancellation ends the wait for the result. */
  readonly status: CallStatus;
}

/** A call that is to be remembered. */
export interface RememberedCall extends ReadyCall {
  /** The cache. */
  readonly cache: Cache;
  /** The call with its key. */
  readonly call: KeyedCall;
}

/** Where and how the bodies of calls run. */
export interface CallRunner {
  /**
   * Runs the body of a call that is not remembered.
   *
   * @param ready The call.
   * @returns What the body returned.
   */
  run(ready: ReadyCall): unknown;
  /**
   * Runs the body of a call under the lease of its key, and remembers the result.
   *
   * @param remembered The call.
   * @returns The result, or `undefined` when somebody else computes it now.
   */
  attempt(remembered: RememberedCall): Promise<Recalled | undefined>;
  /**
   * Runs the body of a call and remembers the result, whoever else computes the key.
   *
   * @param remembered The call.
   * @returns The result.
   */
  alone(remembered: RememberedCall): Promise<Recalled>;
}
