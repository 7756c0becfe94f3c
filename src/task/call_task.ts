import { computeAlone, computeLeased } from "../cache/recall.ts";
import { currentScope } from "../scope/current_scope.ts";
import { answerCall, type CallRunner, type RememberedCall } from "./answer_call.ts";
import type { Future } from "./future.ts";
import { runBody } from "./run_body.ts";
import type { TaskDefinition } from "./task_definition.ts";

const IN_THIS_ISOLATE: CallRunner = {
  run: ({ definition, scope, args, status }) => {
    status.started();
    return runBody(definition, scope, args, status);
  },
  attempt: (remembered) => computeLeased(...toComputation(remembered, true)),
  alone: (remembered) => computeAlone(...toComputation(remembered, false)),
};

function toComputation(
  { definition, scope, args, status, cache, call }: RememberedCall,
  leased: boolean,
): Parameters<typeof computeLeased> {
  const body = () => {
    status.started();
    return runBody(definition, scope, args, status, { key: call.key, leased });
  };
  return [cache, call, body, { metadata: { tags: scope.tags }, warn: scope.warn }];
}

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
