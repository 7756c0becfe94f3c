import { computeCall } from "../cache/compute_call.ts";
import { currentScope } from "../scope/current_scope.ts";
import { answerCall, type CallRunner } from "./answer_call.ts";
import type { Future } from "./future.ts";
import { runBody } from "./run_body.ts";
import type { TaskDefinition } from "./task_definition.ts";

/** Here a call needs no worker, so there is always a place to run in. */
const HERE: Disposable = { [Symbol.dispose]: () => {} };

const IN_THIS_ISOLATE: CallRunner<Disposable> = {
  admit: () => HERE,
  run: ({ definition, scope, args, status }, remembered) => {
    status.started();
    const body = () => runBody(definition, scope, args, remembered?.call.key);
    if (remembered === undefined) return body();
    const { tags, warn } = scope;
    return computeCall(remembered.cache, remembered.call, body, { metadata: { tags }, warn });
  },
};

/**
 * Calls a task in this isolate, through the cache of the scope.
 *
 * @param definition The task.
 * @param given The arguments, futures among them.
 * @returns The future of the result.
 */
export function callTask(definition: TaskDefinition, given: readonly unknown[]): Future<unknown> {
  return answerCall(definition, given, currentScope(), IN_THIS_ISOLATE);
}
