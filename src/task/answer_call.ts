import type { KeyedCall } from "../call/call_key.ts";
import { lookUp, recall, type Recalled } from "../cache/recall.ts";
import { type Cache, voidCache } from "../cache/cache.ts";
import type { Scope } from "../scope/scope.ts";
import type { Found } from "../store/stores.ts";
import type { CallStatus } from "./call_status.ts";
import { Future } from "./future.ts";
import { prepareCall } from "./prepare_call.ts";
import { resolveFutures } from "./resolve_futures.ts";
import { findCallers, refuseRecursion } from "./call_chain.ts";
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
export function answerCall(
  definition: TaskDefinition,
  given: readonly unknown[],
  scope: Scope,
  runner: CallRunner,
): Future<unknown> {
  return new Future(
    definition.name,
    (status) => answerGiven({ definition, scope, args: given, status }, runner),
  );
}

/**
 * Answers a call of which somebody else makes the future.
 *
 * @param call The call; there may be futures among its arguments.
 * @param runner Runs the body.
 * @returns The result, or a promise of it.
 */
export function answerGiven(call: ReadyCall, runner: CallRunner): unknown {
  const args = resolveFutures(call.args, call.definition.name);
  if (!(args instanceof Promise)) return answer(call, runner);
  return args.then((args) => answer({ ...call, args }, runner));
}

function answer(ready: ReadyCall, runner: CallRunner): unknown {
  const { cache } = ready.scope;
  if (cache === undefined || cache === voidCache) return runner.run(ready);
  return remember(cache, ready, runner);
}

function remember(cache: Cache, ready: ReadyCall, runner: CallRunner): unknown {
  const answer = (call: KeyedCall | undefined) => {
    return call === undefined ? runner.run(ready) : answerKeyed({ ...ready, cache, call }, runner);
  };
  const prepared = prepareCall(ready.definition, ready.args, ready.scope.warn);
  return prepared instanceof Promise ? prepared.then(answer) : answer(prepared);
}

/** A hit that the cache knows at once is answered without a tick of any promise. */
function answerKeyed(remembered: RememberedCall, runner: CallRunner): unknown {
  const { definition: { name }, scope, status, cache, call } = remembered;
  status.keyed(call.key);
  refuseRecursion(name, call.key, scope);
  const answer = (found: Found<unknown>) => {
    if (!found.hit) return compute(remembered, runner);
    cache.count(true);
    status.recalled(true);
    return found.value;
  };
  const found = lookUp(cache, call.key, { name, warn: scope.warn });
  return found instanceof Promise ? found.then(answer) : answer(found);
}

async function compute(missed: RememberedCall, runner: CallRunner): Promise<unknown> {
  const { definition: { name }, scope, status, cache, call } = missed;
  const { warn, singleFlight, leaseTimeout } = scope;
  const remembered = { ...missed, args: call.values };
  const { value, hit } = await recall(cache, call.key, {
    name,
    warn,
    singleFlight,
    leaseTimeout,
    callers: () => findCallers(scope.chain, cache.id),
    missed: true,
    signal: () => status.signal,
    alone: () => runner.alone(remembered),
    attempt: async () => {
      const recalled = await runner.attempt(remembered);
      if (recalled === undefined) status.waits();
      return recalled;
    },
  });
  cache.count(hit);
  status.recalled(hit);
  return value;
}
