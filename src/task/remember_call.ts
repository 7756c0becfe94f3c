/**
 * What only calls that are to be remembered need; loaded with the first of them.
 *
 * @module
 */
import type { Cache } from "../cache/cache.ts";
import { lookUp, recall } from "../cache/recall.ts";
import type { KeyedCall } from "../call/call_key.ts";
import type { Found } from "../store/stores.ts";
import { findCallers, refuseRecursion } from "./call_chain.ts";
import type { CallRunner, ReadyCall, RememberedCall } from "./call_runner.ts";
import { prepareCall } from "./prepare_call.ts";

export { computeAlone, computeLeased } from "../cache/recall.ts";
export { prepareCall } from "./prepare_call.ts";

/**
 * Answers a call through a cache: the key is made, and the cache answers or the runner runs the body.
 *
 * @param cache The cache.
 * @param ready The call.
 * @param runner Runs the body.
 * @returns The result, at once where the cache knows it at once.
 */
export function rememberCall(cache: Cache, ready: ReadyCall, runner: CallRunner): unknown {
  const call = prepareCall(ready.definition, ready.args, ready.scope.warn);
  return call instanceof Promise
    ? call.then((call) => answerPrepared(cache, ready, call, runner))
    : answerPrepared(cache, ready, call, runner);
}

/** A hit that the cache knows at once is answered without a tick of any promise. */
function answerPrepared(
  cache: Cache,
  ready: ReadyCall,
  call: KeyedCall | undefined,
  runner: CallRunner,
): unknown {
  if (call === undefined) return runner.run(ready);
  const { definition, scope, status } = ready;
  status.keyed(call.key);
  refuseRecursion(definition.name, call.key, scope);
  const found = lookUp(cache, call.key, { name: definition.name, warn: scope.warn });
  return found instanceof Promise
    ? found.then((found) => answerFound(found, cache, ready, call, runner))
    : answerFound(found, cache, ready, call, runner);
}

function answerFound(
  found: Found<unknown>,
  cache: Cache,
  ready: ReadyCall,
  call: KeyedCall,
  runner: CallRunner,
): unknown {
  if (!found.hit) return compute({ ...ready, cache, call }, runner);
  cache.count(true);
  ready.status.recalled(true);
  return found.value;
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
