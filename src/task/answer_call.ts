import type { KeyedCall } from "../call/call_key.ts";
import { recall } from "../cache/recall.ts";
import type { Scope } from "../scope/scope.ts";
import { Future } from "./future.ts";
import { prepareCall } from "./prepare_call.ts";
import { resolveFutures } from "./resolve_futures.ts";
import { refuseRecursion } from "./run_body.ts";
import type { TaskDefinition } from "./task_definition.ts";

/** Where and how the body of a call runs. */
export interface CallRunner<P extends Disposable> {
  /**
   * Waits for a place to run in.
   *
   * @param signal Ends the wait with its reason; read only by who waits.
   * @returns The place; given back when disposed.
   */
  admit(signal: () => AbortSignal): P | Promise<P>;
  /**
   * Runs the body, and remembers the result when the call has a key.
   *
   * @param args The arguments.
   * @param call The call with its key, when it is to be remembered.
   * @param place Where to run.
   * @param signal Ends the wait for the result; read only by who waits.
   * @returns What the body returned.
   */
  run(
    args: readonly unknown[],
    call: KeyedCall | undefined,
    place: P,
    signal: () => AbortSignal,
  ): unknown;
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
  const { name } = definition;
  const { cache, warn } = scope;
  return new Future(name, async (progress) => {
    const signal = () => progress.signal;
    const resolved = resolveFutures(given, name);
    const args = resolved instanceof Promise ? await resolved : resolved;
    const prepared = cache && prepareCall(definition, args, warn);
    const call = prepared instanceof Promise ? await prepared : prepared;
    if (cache === undefined || call === undefined) {
      using place = await runner.admit(signal);
      progress.started();
      const value = await runner.run(args, undefined, place, signal);
      progress.recalled(false);
      return value;
    }
    progress.keyed(call.key);
    refuseRecursion(name, call.key, scope);
    const { value, hit } = await recall(cache, call.key, {
      name,
      warn,
      signal,
      admit: () => runner.admit(signal),
      compute: async (place: P) => {
        progress.started();
        return await runner.run(call.values, call, place, signal);
      },
    });
    progress.recalled(hit);
    return value;
  });
}
