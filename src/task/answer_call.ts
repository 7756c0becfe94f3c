import { voidCache } from "../cache/cache.ts";
import type { Scope } from "../scope/scope.ts";
import type { CallRunner, ReadyCall } from "./call_runner.ts";
import { Future } from "./future.ts";
import { REMEMBERING } from "./remembering.ts";
import { resolveFutures } from "./resolve_futures.ts";
import type { TaskDefinition } from "./task_definition.ts";

export type { CallRunner, ReadyCall, RememberedCall } from "./call_runner.ts";

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
  const { loaded } = REMEMBERING;
  if (loaded !== undefined) return loaded.rememberCall(cache, ready, runner);
  return REMEMBERING.load().then(({ rememberCall }) => rememberCall(cache, ready, runner));
}
