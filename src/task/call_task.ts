import { computeCall } from "../cache/compute_call.ts";
import { currentScope } from "../scope/current_scope.ts";
import { answerCall } from "./answer_call.ts";
import type { Future } from "./future.ts";
import { runBody } from "./run_body.ts";
import type { TaskDefinition } from "./task_definition.ts";

/** Here a call needs no worker, so there is always a place to run in. */
const HERE: Disposable = { [Symbol.dispose]: () => {} };

/**
 * Calls a task in this isolate, through the cache of the scope.
 *
 * @param definition The task.
 * @param given The arguments, futures among them.
 * @returns The future of the result.
 */
export function callTask(definition: TaskDefinition, given: readonly unknown[]): Future<unknown> {
  const scope = currentScope();
  const { cache, warn, tags } = scope;
  return answerCall(definition, given, scope, {
    admit: () => HERE,
    run: (args, call) => {
      const body = () => runBody(definition, scope, args, call?.key);
      return cache === undefined || call === undefined
        ? body()
        : computeCall(cache, call, body, { metadata: { tags }, warn });
    },
  });
}
