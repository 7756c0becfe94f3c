import type { KeyedCall } from "../call/call_key.ts";
import { recall } from "../cache/recall.ts";
import type { Cache } from "../cache/cache.ts";
import type { Scope } from "../scope/scope.ts";
import type { CallStatus } from "./call_status.ts";
import type { CancelSignal } from "./cancel_signal.ts";
import { Future } from "./future.ts";
import { prepareCall } from "./prepare_call.ts";
import { resolveFutures } from "./resolve_futures.ts";
import { refuseRecursion } from "./run_body.ts";
import type { TaskDefinition } from "./task_definition.ts";

/** A call whose futures have been awaited. */
export interface ReadyCall {
  /** The task. */
  readonly definition: TaskDefinition;
  /** The scope that the call was made in. */
  readonly scope: Scope;
  /** The arguments. */
  readonly args: readonly unknown[];
  /** Told when the body starts; its cancellation ends the wait for the result. */
  readonly status: CallStatus;
}

/** What makes a call one that is remembered. */
export interface RememberedCall<P> {
  /** The cache. */
  readonly cache: Cache;
  /** The call with its key. */
  readonly call: KeyedCall;
  /** Where it runs. */
  readonly place: P;
}

/** Where and how the bodies of calls run. */
export interface CallRunner<P extends Disposable> {
  /**
   * Waits for a place to run in.
   *
   * @param cancellation Ends the wait with its reason.
   * @returns The place; given back when disposed.
   */
  admit(cancellation: CancelSignal): P | Promise<P>;
  /**
   * Runs the body, and remembers the result where that is asked for.
   *
   * @param ready The call.
   * @param remembered The key and the place, if the result is to be remembered; a call that is not
   * waits for its place itself.
   * @returns What the body returned.
   */
  run(ready: ReadyCall, remembered?: RememberedCall<P>): unknown;
}

/**
 * Answers a call through the cache of a scope: futures among the arguments are awaited, the key is
 * made, and the cache answers or the runner runs the body. With or without workers, every call goes
 * this way.
 *
 * @param definition The task.
 * @param given The arguments, futures among them.
 * @param scope The scope that the call was made in.
 * @param runner Runs the body.
 * @returns The future of the result.
 */
export function answerCall<P extends Disposable>(
  definition: TaskDefinition,
  given: readonly unknown[],
  scope: Scope,
  runner: CallRunner<P>,
): Future<unknown> {
  return new Future(definition.name, (status) => {
    const answer = (args: readonly unknown[]) => {
      const ready = { definition, scope, args, status };
      return scope.cache === undefined ? runner.run(ready) : remember(scope.cache, ready, runner);
    };
    const args = resolveFutures(given, definition.name);
    return args instanceof Promise ? args.then(answer) : answer(args);
  });
}

async function remember<P extends Disposable>(
  cache: Cache,
  ready: ReadyCall,
  runner: CallRunner<P>,
): Promise<unknown> {
  const { definition: { name }, scope, args, status } = ready;
  const { warn } = scope;
  const prepared = prepareCall(ready.definition, args, warn);
  const call = prepared instanceof Promise ? await prepared : prepared;
  if (call === undefined) return await runner.run(ready);
  status.keyed(call.key);
  refuseRecursion(name, call.key, scope);
  const effective = { ...ready, args: call.values };
  const { value, hit } = await recall(cache, call.key, {
    name,
    warn,
    signal: () => status.signal,
    admit: () => runner.admit(status.cancellation),
    compute: async (place: P) => await runner.run(effective, { cache, call, place }),
  });
  status.recalled(hit);
  return value;
}
